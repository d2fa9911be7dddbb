"""The one training loop: BlendGAN's stages and the five baselines all run through it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from models.data.loader import InfiniteLoader, unit_range
from models.data.prepared import ImageArray
from models.training import checkpoint, parallel
from models.training.monitor import TrainingMonitor
from models.training.rng import StepRNG
from models.training.run_folder import RunFolder
from models.training.settings import LoopSettings
from models.training.training_module import Batch, TrainingModule
from suite.errors import SuiteError
from suite.failures import explain
from suite.progress import progress
from suite.terminal import say

MOST_ROLL_BACKS = 3


class Misfit(SuiteError):
    """Settings that make networks, but no step."""


@dataclass
class Stop:
    """A request to stop after the current step (ctrl-C, SIGTERM from a scheduler)."""

    signal: int = 0

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


@dataclass
class Loop:
    """One run.

    Args:
        name: what trains, for the run's record.
        module: the method; its networks are on their device already.
        settings: the resolved configuration.
        pictures: domain name -> prepared pictures; the domains are those the module wants.
        folder: where the run lives.
        device: this rank's device.
        label: which of the data's label columns goes into `Batch.labels`, or None.
        at_end: called by rank 0 after the last step with the run's folder; returns what goes into the summary.
    """

    name: str
    module: TrainingModule
    settings: LoopSettings
    pictures: Mapping[str, ImageArray]
    folder: Path
    device: torch.device
    label: str | None = None
    at_end: Callable[[Path], dict[str, Any]] | None = None
    health: TrainingMonitor = field(default_factory=TrainingMonitor)
    roll_backs: int = 0
    unsaved: str = ""
    stepped: bool = False
    untold: set[str] = field(default_factory=set)

    def run(self, resume: bool = False) -> int:
        """Train to `settings.steps`. Returns the number of steps done.

        Raises:
            SuiteError: bad input; a loss that stays non-finite after three roll-backs; a stop by a signal (exit code 130
                or 143) after saving.
        """
        out = RunFolder(self.folder, writes=parallel.rank() == 0)
        config = self.settings.model_dump()
        data = {name: pictures.fingerprint() for name, pictures in sorted(self.pictures.items())}
        if resume:
            out.check_data(data)
        done = self._resume(config) if resume else 0
        out.begin(self.name, config, data, resume)
        out.rewind(done)
        parallel.barrier()
        parallel.sync_weights(self.module.networks.values())
        streams = self._streams()
        start, first = time.perf_counter(), done
        try:
            with Stop() as stop:
                done = self._steps(out, streams, config, done, stop)
        except Misfit:
            if not resume:
                out.withdraw()
            raise
        finally:
            for stream in streams.values():
                stream.close()
        seconds = time.perf_counter() - start
        if self.at_end and parallel.rank() == 0 and done == self.settings.steps:
            summary = self.at_end(self.folder)
        else:
            summary = {}
        rate = (done - first) * self.settings.batch / max(seconds, 1e-9)
        out.end(
            {"steps": done, "seconds": seconds, "images_per_second": rate, "roll_backs": self.roll_backs, **summary}
        )
        if stop.signal:
            code = 130 if stop.signal == signal.SIGINT else 143
            raise SuiteError(f"stopped after step {done}, which is saved; go on with --resume", code)
        if self.unsaved:
            raise SuiteError(f"--run {self.folder}: the last checkpoint could not be written ({self.unsaved})", 1)
        return done

    def _steps(
        self, out: RunFolder, streams: dict[str, InfiniteLoader], config: dict[str, Any], done: int, stop: Stop
    ) -> int:
        settings = self.settings
        if done == 0:
            self._save(config, 0)
        bar = progress(None, self.name, settings.steps, "step") if parallel.rank() == 0 else None
        if bar is not None:
            bar.update(done)
        while done < settings.steps:
            began, waited = time.perf_counter(), sum(stream.waited for stream in streams.values())
            batch, draws = self._batch(streams, done), self._draws(done)
            scalars = parallel.means(self._taken(batch, draws))
            if broken := self.health.broken(scalars):
                done = self._roll_back(config, done, broken)
                out.rewind(done)
                continue
            done += 1
            took = time.perf_counter() - began
            waited = sum(stream.waited for stream in streams.values()) - waited
            for sentence in self.health.notice(scalars, waited, took):
                self._say(sentence)
            if bar is not None:
                bar.update(1)
            last = done == settings.steps
            if done % settings.log_every == 0 or last:
                line = {**scalars, "seconds_per_step": took, "waiting_share": waited / max(took, 1e-9)}
                self._tell(partial(out.log, done, line), "log")
            if (done % settings.sample_every == 0 or last) and parallel.rank() == 0:
                pictures = self.module.sample(batch, draws)
                self._tell(partial(out.sheet, done, pictures, self.module.sheet_columns), "sheet")
            stopping = parallel.any_rank(bool(stop.signal), self.device)
            if done % settings.save_every == 0 or last or stopping:
                self._save(config, done)
            if stopping:
                stop.signal = stop.signal or signal.SIGTERM
                break
        if bar is not None:
            bar.close()
        return done

    def _taken(self, batch: Batch, draws: StepRNG) -> dict[str, torch.Tensor]:
        """The module's step. What the first one raises is of settings that do not go together; later ones are like it."""
        try:
            scalars = self.module.step(batch, draws)
        except (RuntimeError, ValueError, IndexError) as error:
            if self.stepped or explain(error):
                raise
            raise Misfit(
                f"--set: the first step cannot be taken with these settings (size {self.settings.size}, batch "
                f"{self.settings.batch}, ...): {error}; --traceback shows where"
            ) from error
        self.stepped = True
        return scalars

    def _streams(self) -> dict[str, InfiniteLoader]:
        streams = {}
        for number, (domain, count) in enumerate(sorted(self.module.batch_sizes.items())):
            if domain not in self.pictures:
                raise SuiteError(f"--data: {self.name} wants pictures of the domain {domain!r}")
            data = self.pictures[domain]
            if len(data) < count * parallel.world():
                self._say(
                    f"{domain}: {len(data)} pictures are fewer than the batch of {count * parallel.world()}; they repeat"
                )
            for note in data.notes:
                self._say(f"{domain}: {note}")
            seed = self.settings.seed * 1000 + number
            streams[domain] = InfiniteLoader(
                data, count, seed, parallel.rank(), parallel.world(), self.settings.flip, pin=self.device.type == "cuda"
            )
        return streams

    def _batch(self, streams: dict[str, InfiniteLoader], step: int) -> Batch:
        images, labels = {}, {}
        layout = torch.channels_last if self.settings.channels_last else torch.contiguous_format
        for domain, stream in streams.items():
            pixels, columns = stream.batch_at(step)
            images[domain] = unit_range(pixels.to(self.device, non_blocking=True, memory_format=layout))
            if self.label and self.label in columns:
                labels[domain] = columns[self.label].to(self.device)
        return Batch(images, labels)

    def _draws(self, step: int) -> StepRNG:
        return StepRNG(self.settings.seed, step, parallel.rank(), parallel.world(), self.roll_backs)

    def _resume(self, config: dict[str, Any]) -> int:
        kept = checkpoint.all_checkpoints(self.folder / "checkpoints")
        if not kept:
            raise SuiteError(f"--resume: no checkpoint in {self.folder}; start without --resume")
        done, self.roll_backs = checkpoint.load(kept[-1], self.module, config)
        return done

    def _save(self, config: dict[str, Any], done: int) -> None:
        if parallel.rank() == 0:
            try:
                checkpoint.save(
                    self.folder / "checkpoints", self.module, done, config, self.settings.keep, self.roll_backs
                )
                self.unsaved = ""
            except OSError as error:
                self.unsaved = f"{error.strerror or error}"
                free = shutil.disk_usage(self.folder).free / 1e9
                self._say(
                    f"checkpoint at step {done} not written: {self.unsaved} ({free:.1f} GB free); earlier ones are whole"
                )
        parallel.barrier()

    def _tell(self, write: Callable[[], None], what: str) -> None:
        """Do `write`; what a full disk keeps from being told is no reason to stop."""
        try:
            write()
        except OSError as error:
            if what not in self.untold:
                self.untold.add(what)
                self._say(f"{what} not written: {error.strerror or error}; training goes on without it")

    def _roll_back(self, config: dict[str, Any], done: int, broken: list[str]) -> int:
        self.roll_backs += 1
        kept = checkpoint.all_checkpoints(self.folder / "checkpoints")
        where = f"step {done}: {', '.join(broken)} not finite"
        if self.roll_backs > MOST_ROLL_BACKS or not kept:
            raise SuiteError(
                f"{where}, {self.roll_backs - 1} roll-backs tried; the last good checkpoint is kept; lower --set lr", 1
            )
        back, _ = checkpoint.load(kept[-1], self.module, config)
        self._say(f"{where}; back to step {back} with other draws")
        return back

    def _say(self, sentence: str) -> None:
        if parallel.rank() == 0:
            say(f"{self.name}: {sentence}", err=True)
