"""The sandbox's own time, in seconds, which can run faster, stand still and be moved."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Clock:
    """Sandbox time as a line through one known point.

    At wall-clock time `wall` the sandbox's time was `sandbox`; since then it runs at `speed` sandbox seconds per
    second. At speed 0 only `moved` changes it.
    """

    wall: float
    sandbox: float
    speed: float

    def at(self, wall: float) -> float:
        """Return sandbox time at a wall-clock time. It never goes back, even if the wall clock does."""
        return self.sandbox + max(0.0, wall - self.wall) * self.speed

    def moved(self, seconds: float) -> Clock:
        """Return the same clock, `seconds` of sandbox time ahead. Raise ValueError if negative."""
        if seconds < 0:
            raise ValueError("the clock of the sandbox only moves forward")
        return replace(self, sandbox=self.sandbox + seconds)

    def at_speed(self, speed: float, *, wall: float) -> Clock:
        """Return a clock that continues from `wall` at another speed, without a jump. Raise ValueError if negative."""
        if speed < 0:
            raise ValueError("the speed cannot be negative")
        return Clock(wall=wall, sandbox=self.at(wall), speed=speed)
