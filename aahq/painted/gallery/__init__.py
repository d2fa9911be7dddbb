"""The embedded gallery: painted works served on loopback in the shapes of the sites that this project reads."""

from aahq.painted.gallery.faults import FAULTS, Fault
from aahq.painted.gallery.gallery import Gallery
from aahq.painted.gallery.server import serve, start

__all__ = ["FAULTS", "Fault", "Gallery", "serve", "start"]
