"""What attributes of creatives and audiences say of an ad before it has run: a prior for cold starts.

An ad has tags (`format:video`, `sale`) and numbers (`seconds`, `age`). Tags of one prefix are a block; so are tags
without one, and the numbers. The effects of a block are normal with a standard deviation of its own, which is learnt
with the spread between ads of the same attributes by maximising the marginal likelihood (empirical Bayes; D. J. C.
MacKay, Neural Computation 4, 1992): a block that says nothing gets a deviation near zero, and the prior of a new ad is
the pool's again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, log
from typing import Any, Final, Self

import numpy as np
import scipy

from bandits import state
from bandits.glm import Family, LaplaceGlm, log_gamma_moments
from bandits.groups import FloatArray
from bandits.pooling import Hyperprior
from bandits.posterior import GammaPoisson

NUMBERS: Final = "numbers"
_BASE_SD: Final = 3.0
_EFFECT, _EFFECT_SD = 0.1, 1.5  # median of a block's standard deviation, and the deviation of its logarithm
_LIMITS: Final = (log(0.005), log(3.0))


@dataclass(frozen=True, slots=True)
class Features:
    """The attributes of one ad.

    Attributes:
        tags: In any order; one given twice counts once.
        numbers: Finite; one that is not given is taken to be average.

    Raises:
        ValueError: A tag is empty, or a number is not finite.
    """

    tags: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(self.tags):
            raise ValueError("a tag must be a text that is not empty")
        for name, value in self.numbers.items():
            if not np.isfinite(value):
                raise ValueError(f"{name!r} must be finite, not {value!r}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How attributes become columns: an intercept, a column for each tag, one for each number.

    Attributes:
        tags: Known ones, sorted.
        numbers: Name, mean and standard deviation, sorted by name; a number enters as its distance from the mean in
            standard deviations.
    """

    tags: tuple[str, ...]
    numbers: tuple[tuple[str, float, float], ...]

    @classmethod
    def of(cls, ads: Sequence[Features], least: int = 2) -> Self:
        """Know the tags that `least` ads have and some ad has not, and the numbers that vary.

        Raises:
            ValueError: There are no ads.
        """
        if not ads:
            raise ValueError("there are no ads to learn attributes from")
        counts: dict[str, int] = {}
        values: dict[str, list[float]] = {}
        for ad in ads:
            for tag in set(ad.tags):
                counts[tag] = counts.get(tag, 0) + 1
            for name, value in ad.numbers.items():
                values.setdefault(name, []).append(float(value))
        numbers = ((name, float(np.mean(v)), float(np.std(v))) for name, v in sorted(values.items()))
        tags = tuple(sorted(tag for tag, count in counts.items() if least <= count < len(ads)))
        return cls(tags, tuple((name, mean, sd) for name, mean, sd in numbers if sd > 1e-12 * max(abs(mean), 1.0)))

    @property
    def blocks(self) -> tuple[str, ...]:
        """The block of each column after the intercept's."""
        return (*map(block_of, self.tags), *(NUMBERS for _ in self.numbers))

    def encode(self, ads: Sequence[Features]) -> FloatArray:
        """Return the columns, shape (A, 1 + tags + numbers); tags that are not known have none."""
        design = np.zeros((len(ads), 1 + len(self.tags) + len(self.numbers)))
        design[:, 0] = 1.0
        place = {tag: 1 + at for at, tag in enumerate(self.tags)}
        for row, ad in zip(design, ads, strict=True):
            row[[place[tag] for tag in ad.tags if tag in place]] = 1.0
            for at, (name, mean, sd) in enumerate(self.numbers, start=1 + len(self.tags)):
                row[at] = (ad.numbers.get(name, mean) - mean) / sd
        return design

    def strange(self, ad: Features, block: str) -> int:
        """Return how many tags of a block an ad has that are not known."""
        known = set(self.tags)
        return sum(block_of(tag) == block and tag not in known for tag in set(ad.tags))


def block_of(tag: str) -> str:
    """Return the part before the first colon; without one, nothing."""
    prefix, colon, _ = tag.partition(":")
    return prefix if colon else ""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureModel:
    """What attributes were found to say of rates; immutable.

    Attributes:
        encoding: Of the attributes.
        posterior: Of the coefficients, the intercept's first.
        effect_sd: Learnt standard deviation of the effects of each block.
    """

    encoding: Encoding
    posterior: LaplaceGlm
    effect_sd: Mapping[str, float]

    def update(self, ads: Sequence[Features], successes: FloatArray, exposure: FloatArray) -> FeatureModel:
        """Return the model after more ads, the deviations of the blocks as they were.

        Raises:
            ValueError: Shapes or counts are wrong; names the ad's number.
        """
        learnt = self.posterior.update(self.encoding.encode(ads), successes, exposure)
        return FeatureModel(self.encoding, learnt, self.effect_sd)

    def forget(self, gamma: float) -> FeatureModel:
        """Return the model after a step of forgetting; see `LaplaceGlm.forget`."""
        return FeatureModel(self.encoding, self.posterior.forget(gamma), self.effect_sd)

    def prior_for(self, ads: Sequence[Features]) -> tuple[FloatArray, FloatArray]:
        """Return mean and sd of the log rate (the logit of the rate for binomial rows) of new ads, (A,) each.

        What the coefficients leave open, what ads of the same attributes differ by, and for a tag that was never seen
        what the tags of its block differ by.
        """
        mean, variance = self._predicted(ads)
        shift, scatter = log_gamma_moments(self.posterior.strength)
        return mean + shift, np.sqrt(variance + scatter)

    def gamma_prior(self, ads: Sequence[Features]) -> GammaPoisson:
        """Return gamma distributions with the mean and variance of the rates of new ads: conjugate priors.

        Raises:
            ValueError: The rows are binomial.
        """
        if self.posterior.family is not Family.POISSON:
            raise ValueError("only a rate per exposure has a gamma prior; a share of trials has none")
        mean, variance = self._predicted(ads)
        # Of exp(eta) g, with E g = 1 and E g^2 = 1 + 1 / nu.
        shape = 1 / (np.exp(variance) * (1 + 1 / self.posterior.strength) - 1)
        return GammaPoisson(shape, shape / np.exp(mean + variance / 2))

    def _predicted(self, ads: Sequence[Features]) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of eta, tags that were never seen included."""
        mean, sd = self.posterior.predict(self.encoding.encode(ads))
        strange = [sum(self.encoding.strange(ad, b) * s**2 for b, s in self.effect_sd.items()) for ad in ads]
        return mean, sd**2 + np.array(strange, dtype=np.float64)

    def to_json(self) -> str:
        """Return the state as versioned JSON, the same bytes for the same state."""
        document = {
            "kind": "feature-model",
            "version": state.VERSION,
            "family": str(self.posterior.family),
            "tags": self.encoding.tags,
            "numbers": self.encoding.numbers,
            "effect_sd": self.effect_sd,
            "posterior": self.posterior.to_json(),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no such state, or of another version.
        """
        try:
            document: Any = json.loads(text)
            kind, version = document["kind"], document["version"]
            if (kind, version) != ("feature-model", state.VERSION):
                raise ValueError(f"this is version {version!r} of {kind!r}, not {state.VERSION} of 'feature-model'")
            numbers = tuple((str(name), float(mean), float(sd)) for name, mean, sd in document["numbers"])
            encoding = Encoding(tuple(map(str, document["tags"])), numbers)
            posterior = LaplaceGlm.from_json(document["posterior"], Family(document["family"]))
            effects = {str(name): float(sd) for name, sd in document["effect_sd"].items()}
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no state of a feature model: {error!r}") from None
        if posterior.mean.size != 1 + len(encoding.blocks) or set(effects) != set(encoding.blocks):
            raise ValueError("this state of a feature model has other coefficients than attributes")
        return cls(encoding, posterior, effects)


def learn_features(
    ads: Sequence[Features],
    successes: FloatArray,
    exposure: FloatArray,
    *,
    family: Family = Family.POISSON,
    hyperprior: Hyperprior | None = None,
) -> FeatureModel:
    """Learn what attributes say, how much each block may say, and how far ads of the same attributes differ.

    Args:
        ads: The attributes of A ads.
        successes: y, as in `evidence.Evidence`, shape (A,).
        exposure: n, of the whole life of each ad: what ads of the same attributes differ by is learnt from it, so that
            an ad must be one row; shape (A,). Trials where the family is binomial.
        family: Of the rows.
        hyperprior: Of the spread between ads of the same attributes; the default of `Hyperprior` if None. Not used by
            binomial rows, whose spread is taken to be nothing.

    Raises:
        ValueError: There are no ads, or shapes or counts are wrong; names the ad's number.
    """
    prior = hyperprior or Hyperprior()
    encoding = Encoding.of(ads)
    design, blocks = encoding.encode(ads), tuple(sorted(set(encoding.blocks)))
    centre = _centre(successes, exposure, family)

    def start(point: FloatArray) -> LaplaceGlm:
        sd = dict(zip(blocks, np.exp(point), strict=False))
        columns = np.array([_BASE_SD, *(sd[block] for block in encoding.blocks)])
        strength = float(np.exp(point[-1])) if family is Family.POISSON else inf
        mean = np.zeros(columns.size)
        mean[0] = centre
        return LaplaceGlm.prior(family, mean, columns, strength)

    def loss(point: FloatArray) -> float:
        surprise = (((point[: len(blocks)] - log(_EFFECT)) / _EFFECT_SD) ** 2).sum()
        if family is Family.POISSON:
            surprise += ((point[-1] - log(prior.strength)) / prior.strength_sd) ** 2
        return float(surprise) / 2 - start(point).learn(design, successes, exposure)[1]

    begin = [log(_EFFECT)] * len(blocks)
    limits = [_LIMITS] * len(blocks)
    if family is Family.POISSON:
        begin.append(log(prior.strength))
        limits.append((log(0.5), log(prior.strength_cap)))
    best = np.array(begin)
    if best.size:
        best = scipy.optimize.minimize(loss, best, method="L-BFGS-B", bounds=limits).x
    learnt = start(best).update(design, successes, exposure)
    return FeatureModel(encoding, learnt, dict(zip(blocks, np.exp(best).tolist(), strict=False)))


def _centre(successes: FloatArray, exposure: FloatArray, family: Family) -> float:
    total, rows = float(np.sum(successes)), float(np.sum(exposure))
    if rows <= 0:
        return 0.0
    if family is Family.POISSON:
        return log((total + 0.5) / rows)
    return log((total + 0.5) / (max(rows - total, 0.0) + 0.5))
