"""Which of several values of one setting counts."""

from __future__ import annotations

from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


class Layered(BaseSettings):
    """Values of the environment, over secret files, over those of the file, which `load` passes as arguments."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="OUTLAY_",
        env_nested_delimiter="__",
        secrets_prefix="",
        secrets_dir_missing="error",
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the tables of the file, which `load` passes as arguments, below the environment and secret files."""
        return env_settings, NestedSecretsSettingsSource(file_secret_settings), init_settings
