"""Triggers in the words of each kind of database; migrations create them, since no class declares them."""

from __future__ import annotations

from typing import Final

_SQLITE: Final = "sqlite"
_KEEP: Final = """
    INSERT INTO {table}_revision ({keys}, known_from, known_to, {measures})
    VALUES ({old_keys}, old.known_from, new.known_from, {old})
"""


def append_only(dialect: str, table: str, words: str) -> tuple[str, ...]:
    """Return the statements that forbid changing and deleting a table's rows.

    Args:
        dialect: `sqlite` or `postgresql`.
        table: Its name.
        words: What whoever tries is told; without quotes.
    """
    if dialect == _SQLITE:
        return (
            f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END",
            f"CREATE TRIGGER {table}_remains BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END",
        )
    return (
        f"CREATE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_stays()",
        f"CREATE TRIGGER {table}_remains BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_stays()",
    )


def no_longer_append_only(dialect: str, table: str) -> tuple[str, ...]:
    """Return the statements that take back `append_only`, for a migration that gives the rows new columns."""
    if dialect == _SQLITE:
        return (f"DROP TRIGGER {table}_stays", f"DROP TRIGGER {table}_remains")
    return (
        f"DROP TRIGGER {table}_remains ON {table}",
        f"DROP TRIGGER {table}_stays ON {table}",
        f"DROP FUNCTION {table}_stays()",
    )


def keeps_what_it_replaces(
    dialect: str, table: str, keys: tuple[str, ...], measures: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the statements that put what an update of a table replaces into its `_revision` table.

    An update that changes none of the measures leaves no trace there.

    Args:
        dialect: `sqlite` or `postgresql`.
        table: Its name; it has a column `known_from`.
        keys: The columns that name a row.
        measures: The columns that are kept.
    """
    old, new = (", ".join(f"{side}.{name}" for name in measures) for side in ("old", "new"))
    insert = _KEEP.format(
        table=table, keys=", ".join(keys), measures=", ".join(measures),
        old_keys=", ".join(f"old.{key}" for key in keys), old=old,
    )  # fmt: skip
    name = f"{table}_keeps_what_it_replaces"
    if dialect == _SQLITE:
        return (f"CREATE TRIGGER {name} AFTER UPDATE ON {table} WHEN ({old}) IS NOT ({new}) BEGIN {insert}; END",)
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$",
        f"CREATE TRIGGER {name} AFTER UPDATE ON {table} FOR EACH ROW "
        f"WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION {name}()",
    )


def leaves_its_pack(dialect: str, table: str, pack: str, days: int, block: int) -> tuple[str, ...]:
    """Return the statements that take a pack of rows away as soon as one of them is entered, changed or deleted.

    Args:
        dialect: `sqlite` or `postgresql`.
        table: Its name; a row is of a `day` and a `series_id`.
        pack: The table of packs, by `week` and `block`.
        days: In a week.
        block: Series in a block.
    """
    name = f"{table}_leaves_its_pack"
    if dialect == _SQLITE:
        taken = f"DELETE FROM {pack} WHERE week = {{row}}.day / {days} AND block = {{row}}.series_id / {block};"  # noqa: S608
        old, new = taken.format(row="old"), taken.format(row="new")
        return (
            f"CREATE TRIGGER {name}_on_insert AFTER INSERT ON {table} BEGIN {new} END",
            f"CREATE TRIGGER {name}_on_update AFTER UPDATE ON {table} BEGIN {old} {new} END",
            f"CREATE TRIGGER {name}_on_delete AFTER DELETE ON {table} BEGIN {old} END",
        )
    # Of a whole statement at once: to ask for each of a million rows would take longer than to enter them.
    taken = (
        f"DELETE FROM {pack} p USING (SELECT DISTINCT day / {days} AS week, series_id / {block} AS block FROM told) t "  # noqa: S608
        "WHERE p.week = t.week AND p.block = t.block"
    )
    each = "FOR EACH STATEMENT EXECUTE FUNCTION"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF EXISTS (SELECT FROM {pack}) THEN {taken}; END IF; RETURN NULL; END $$",
        f"CREATE TRIGGER {name}_on_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS told {each} {name}()",
        f"CREATE TRIGGER {name}_from_update AFTER UPDATE ON {table} REFERENCING OLD TABLE AS told {each} {name}()",
        f"CREATE TRIGGER {name}_to_update AFTER UPDATE ON {table} REFERENCING NEW TABLE AS told {each} {name}()",
        f"CREATE TRIGGER {name}_on_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS told {each} {name}()",
        f"CREATE FUNCTION {pack}_goes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 - ours
        f"DELETE FROM {pack}; RETURN NULL; END $$",
        f"CREATE TRIGGER {pack}_goes BEFORE TRUNCATE ON {table} {each} {pack}_goes()",
    )
