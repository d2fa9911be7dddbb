"""Settings of games whose discriminators compare pictures in groups (Karras et al. 2017, section 3)."""

from __future__ import annotations

from models.training.settings import LoopSettings
from suite.errors import SuiteError


class GroupedSettings(LoopSettings):
    """A batch, and what of it goes through the networks at once, are made of whole groups."""

    def share(self, processes: int) -> int:
        """As every training's; besides, the discriminators compare pictures in groups of four, or the batch if smaller."""
        # Here, as PyTorch comes with them and a plan reads settings without it.
        from models.networks.discriminators import STDDEV_GROUP
        from models.training.updates import parts

        share = super().share(processes)
        group = min(self.batch, STDDEV_GROUP)
        if self.batch % group:
            below = self.batch // group * group
            raise SuiteError(
                f"--set batch={self.batch}: the discriminators compare pictures in groups of {group} (minibatch standard "
                f"deviation); give --set batch={below} or --set batch={below + group}"
            )
        cut = len(parts(share, self.micro_batch))
        if cut > 1 and (share // cut) % group:
            fits = [n for n in range(group, share, group) if share % n == 0]
            offers = ", ".join(str(n) for n in fits) + " or 0" if fits else "0"
            raise SuiteError(
                f"--set micro_batch={self.micro_batch}: parts of {share // cut} pictures, but the discriminators compare "
                f"them in groups of {group} (minibatch standard deviation); a share of {share} takes {offers}; "
                "--set checkpointing=true saves memory too"
            )
        return share
