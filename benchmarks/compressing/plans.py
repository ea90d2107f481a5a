"""The two plans: the full one, and the one that ends within eight minutes."""

from dataclasses import replace

from benchmarks.compressing.arms import (
    BF16,
    EDEN,
    FLOAT32,
    INT8,
    KEPT,
    LOSSLESS,
    STEPS,
    TERNARY,
    TERNGRAD,
    Arm,
    both_ways,
    ecsq,
    fedzip,
    refused,
    stc,
)
from benchmarks.compressing.federation import Federation
from benchmarks.compressing.grid import Plan, Study, Workers
from benchmarks.compressing.terngrad import Training

WORKERS = (2, 4, 8, 16)
PUBLISHED, CORRECTED = (tuple(fedzip(keep, ef) for keep in KEPT) for ef in (False, True))
PLAIN_BOTH = tuple(both_ways(arm, arm.codec) for arm in (BF16, INT8))
CURVE = (FLOAT32, *map(ecsq, STEPS), *CORRECTED, *PUBLISHED, *map(stc, TERNARY))


def _ours(step: float) -> Arm:
    """Our coder in both directions."""
    return both_ways(ecsq(step), ecsq(step).codec)


def _targets(cnn: int, others: int, steps: int) -> tuple[tuple[Study, float], ...]:
    """For each architecture the arms of the honest measure, in both directions.

    For the CNN all of MNIST is dealt out: 6,000 images do not take it to 98 %.
    """
    large = Federation(model="cnn", rounds=cnn, seed=0, samples=5_500, steps=steps)
    honest = (FLOAT32, _ours(4), *PLAIN_BOTH)
    return (
        (Study("cnn", large, (*honest, _ours(6), fedzip(0.2, True)), (0,)), 0.98),
        (Study("2nn", Federation(model="2nn", rounds=2 * others, seed=0), honest, (0,)), 0.94),
        (Study("lenet", Federation(model="lenet", rounds=others, seed=0), honest, (0,)), 0.97),
    )


def _skewed(rounds: int, seeds: tuple[int, ...]) -> Study:
    federation = Federation(model="2nn", rounds=rounds, seed=0, partition="dirichlet")
    found = (FLOAT32, fedzip(0.2, False), fedzip(0.2, True), ecsq(4, False), ecsq(4))
    return Study("2nn dirichlet", federation, found, seeds)


def _partial(rounds: int, seeds: tuple[int, ...]) -> Study:
    """What error feedback is worth where a client's residual is old when it is asked again."""
    federation = Federation(model="2nn", rounds=rounds, seed=0, per_round=3)
    dropping = (refused(fedzip(0.2, False)), refused(ecsq(4, False)))
    found = (FLOAT32, fedzip(0.2, True), ecsq(4), *dropping, EDEN[0])
    return Study("2nn 3 of 10", federation, found, seeds)


def _full_workers() -> Workers:
    three = (0, 1, 2)
    shared = [(Training(workers=n, arm="shared"), three) for n in WORKERS]
    float32 = Training(workers=1, arm="float32")
    unclipped = [(Training(workers=n, arm="unclipped"), three) for n in (2, 8)]
    others = [
        Training(workers=4, arm="own"),
        Training(workers=4, arm="shared", exact_head=True),
        Training(workers=1, arm="float32", momentum=0.0),
        Training(workers=4, arm="shared", momentum=0.0),
    ]
    return Workers([(float32, three), *shared, *unclipped, *((one, (0,)) for one in others)])


FEDZIP = (CORRECTED[0], PUBLISHED[0])


def _few(study: Study) -> Study:
    """Its first three arms."""
    return replace(study, arms=study.arms[:3])


def _quick_targets() -> tuple[tuple[Study, float], ...]:
    cnn, small, lenet = _targets(cnn=10, others=15, steps=12)
    return tuple(
        (replace(s, arms=s.arms[:2]), a)
        for s, a in ((cnn[0], 0.9), (small[0], 0.9), (lenet[0], 0.9))
    )


LONG, SHORT = (Federation(model="2nn", rounds=rounds, seed=0) for rounds in (100, 30))
THREE = (0, 1, 2)

FULL = Plan(
    curve=Study("2nn iid", LONG, CURVE, THREE),
    targets=_targets(cnn=30, others=40, steps=30),
    skewed=_skewed(100, THREE),
    partial=_partial(100, THREE),
    workers=_full_workers(),
    beside=Study("2nn iid", LONG, (INT8, BF16, TERNGRAD, *EDEN, LOSSLESS), THREE),
    patience_s=80 * 60,
)
QUICK = Plan(
    curve=Study("2nn iid", SHORT, (FLOAT32, *map(ecsq, (4, 8, 12)), *FEDZIP, stc(0.0025)), (0,)),
    targets=_quick_targets(),
    skewed=_few(_skewed(10, (0,))),
    partial=_few(_partial(10, (0,))),
    workers=Workers(
        [
            (Training(workers=n, arm=arm, epochs=1), (0,))
            for n, arm in ((1, "float32"), (2, "shared"), (2, "unclipped"))
        ]
    ),
    beside=Study("2nn iid", SHORT, (INT8,), (0,)),
    patience_s=6 * 60,
)
