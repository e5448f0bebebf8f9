"""A suite of hostile submissions, each with what must happen, and the honest ones that they must not touch."""

from tests.hostile.attack import Attack
from tests.hostile.attacks import cheating, codec, host, malformed, race, resource, surgery
from tests.hostile.honest import HONEST

ATTACKS: tuple[Attack, ...] = (
    *cheating.ATTACKS, *surgery.ATTACKS, *host.ATTACKS, *resource.ATTACKS,
    *malformed.ATTACKS, *race.ATTACKS, *codec.ATTACKS,
)  # fmt: skip

__all__ = ["ATTACKS", "HONEST"]
