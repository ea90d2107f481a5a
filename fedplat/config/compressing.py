"""Which codecs a scenario can have, and what to expect of those that it can."""

from fedplat.codecs.framed import Framed
from fedplat.codecs.stage import Traits
from fedplat.config.scenario import Scenario
from fedplat.engine.payload import Cargo
from fedplat.errors import CompositionError, ConfigError
from fedplat.protocols import Codec, SharingCodec
from fedplat.runtime.downlink import trainable


def refuse_what_is_never_made_up_for(scenario: Scenario, cargo: Cargo) -> None:
    """Raises: ConfigError, if a codec does not fit the model; CompositionError, if a part of what
    is learned could never reach it.
    """
    _refuse_what_does_not_fit_the_model(scenario, cargo)
    _refuse_downlink(scenario, cargo)
    up = traits(cargo.codec)
    if up.drops and not up.corrected and scenario.per_round < scenario.clients.count:
        raise CompositionError(
            where=f"codec {scenario.codec['name']}",
            reason="it drops what is small, nothing makes up for it, and a round asks only "
            f"{scenario.per_round} of {scenario.clients.count} clients",
            instead="the same with error feedback, or an unbiased codec: eden, qsgd, randk",
        )


def _refuse_what_does_not_fit_the_model(scenario: Scenario, cargo: Cargo) -> None:
    """Raises: ConfigError, if a codec can not even begin: a route takes no tensor, say."""
    for key, part, codec, layout in (
        ("codec", scenario.codec, cargo.codec, cargo.shared),
        ("downlink", scenario.downlink, cargo.downlink, trainable(cargo.shared)),
    ):
        if part is None or codec is None:
            continue
        try:
            codec.init(layout)
        except ValueError as error:
            raise ConfigError(where=f"{key} {part['name']}", reason=str(error)) from error


def _refuse_downlink(scenario: Scenario, cargo: Cargo) -> None:
    if scenario.downlink is None or cargo.downlink is None:
        return
    down, where = traits(cargo.downlink), f"downlink {scenario.downlink['name']}"
    if down.drops and not down.corrected:
        raise CompositionError(
            where=where,
            reason="it drops what is small, and no client would ever get it",
            instead="the same with error feedback, which the coordinator keeps",
        )
    if down.accelerates:
        raise CompositionError(
            where=where,
            reason="its momentum would change the server's step",
            instead="topk or stc, and fedavgm for momentum at the server",
        )
    if isinstance(cargo.downlink, SharingCodec) and cargo.downlink.shared(cargo.shared):
        raise CompositionError(
            where=where,
            reason="its scale is shared among senders, and there is one coordinator",
            instead='scale = "own", or grid, which finds the scale of a mean of ternaries',
        )


def warnings(scenario: Scenario, cargo: Cargo) -> list[str]:
    """What works, but perhaps not as one expects."""
    up, name = traits(cargo.codec), scenario.codec["name"]
    share = scenario.per_round / scenario.clients.count
    said = []
    if up.drops and not up.corrected:
        said.append(
            f"codec {name} drops what is small and nothing makes up for it; with error feedback "
            "the same bytes give a better model"
        )
    if up.corrected and share < 1:
        said.append(
            f"codec {name} makes up for a loss when the client is asked again, and a round asks "
            f"{share:.0%} of them: that slows it down about {1 / share:.1f} times (Li & Li 2023); "
            "eden, qsgd and randk need no memory"
        )
    if scenario.downlink is not None and not isinstance(cargo.downlink, Framed):
        said.append(
            f"downlink {scenario.downlink['name']} has no steps that are smaller than the model: "
            "leave it out, and clients fetch what has changed"
        )
    beside = cargo.uncompressed_bytes
    if isinstance(cargo.codec, Framed) and 2 * beside > cargo.shared.size_bytes:
        said.append(
            f"{scenario.algorithm['name']} sends {beside:,} bytes beside each update, which codec "
            f"{name} does not compress"
        )
    return said


def traits(codec: Codec | None) -> Traits:
    """What a codec does to an update: nothing, unless it is made of stages."""
    return codec.traits if isinstance(codec, Framed) else Traits()
