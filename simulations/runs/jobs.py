"""What a run is made of: one job for each policy in each world, and one for the clairvoyant; each brings one file."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from simulations.policies.contract import MakePolicy
from simulations.runs.arena import WorldSpec, clairvoyant, play_world
from simulations.runs.traces import BadTrace, OracleTrace, Trace, oracle_text, read_oracle, read_trace, trace_text


@dataclass(frozen=True, slots=True)
class Result:
    """What a job brings home.

    Attributes:
        text: Its file.
        seconds: How long the policy, or the search for the optimum, took.
    """

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OracleJob:
    """The clairvoyant in one world."""

    spec: WorldSpec

    def __str__(self) -> str:
        return f"the oracle in world {self.spec.seed} of {self.spec.scenario.name}"

    @property
    def file(self) -> str:
        """Its file in the folder of the run."""
        return oracle_file(self.spec.seed)

    def run(self) -> Result:
        """Find the best budgets."""
        started = perf_counter()
        text = oracle_text(clairvoyant(self.spec))
        return Result(text, perf_counter() - started)

    def require(self, text: str) -> None:
        """Check that a text is what this job would bring.

        Raises:
            BadTrace: It is no trace, or one of another world.
        """
        require_world(read_oracle(text), self.spec)


@dataclass(frozen=True, slots=True)
class PolicyJob:
    """One policy in one world."""

    spec: WorldSpec
    policy: str
    make: MakePolicy

    def __str__(self) -> str:
        return f"{self.policy} in world {self.spec.seed} of {self.spec.scenario.name}"

    @property
    def file(self) -> str:
        """Its file in the folder of the run."""
        return trace_file(self.policy, self.spec.seed)

    def run(self) -> Result:
        """Play the policy."""
        played = play_world(self.spec, self.policy, self.make)
        return Result(trace_text(played.trace), played.seconds)

    def require(self, text: str) -> None:
        """Check that a text is what this job would bring.

        Raises:
            BadTrace: It is no trace, or one of another world or policy.
        """
        trace = read_trace(text)
        require_world(trace, self.spec)
        if trace.policy != self.policy:
            raise BadTrace(f"this is a trace of {trace.policy}, not of {self.policy}")


Job = OracleJob | PolicyJob


def run_job(job: Job) -> Result:
    """Run a job, in whatever process."""
    return job.run()


def oracle_file(seed: int) -> str:
    """Return where the clairvoyant of a world is recorded, relative to the folder."""
    return f"oracle/{seed}.json"


def trace_file(policy: str, seed: int) -> str:
    """Return where a policy in a world is recorded, relative to the folder."""
    return f"traces/{policy}/{seed}.json"


def require_world(trace: Trace | OracleTrace, world: WorldSpec) -> None:
    """Check that a trace is of this world.

    Raises:
        BadTrace: It is of another.
    """
    if trace.place != world.place or trace.budgets.shape[1] != world.scenario.campaigns:
        raise BadTrace(f"this is not a trace of world {world.seed} of this run")
