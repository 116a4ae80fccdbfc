"""How far a run is in, what share of it is done and how fast it learns then out."""

from headgan.models.train.config import OptimiserConfig, RunConfig


def share_done(run: RunConfig, step: int, hours: float) -> float:
    """The share of the run that is done, of its steps or of its time; from 1 on it is over.

    Args:
        run: how long it is to be.
        step: steps done.
        hours: spent on them.
    """
    share = step / run.steps
    return max(share, 60 * hours / run.minutes) if run.minutes else share


def rate_factor(optimiser: OptimiserConfig, run: RunConfig, step: int, hours: float) -> float:
    """What the learning rate is multiplied by at `step`, 0 to 1.

    It rises from nothing over the warm-up, and falls to nothing over the last share of the run.
    """
    rise = (step + 1) / max(optimiser.warm_up, 1)
    fall = (1 - share_done(run, step, hours)) / max(optimiser.decay, 1 / run.steps)
    return max(0.0, min(1.0, rise, fall))
