"""Second looks, limits of staff and the report of goodwill in the admin."""

from panel.staff.admin.goodwill import StaffDeedAdmin
from panel.staff.admin.limits import StaffLimitAdmin
from panel.staff.admin.looks import SecondLookAdmin

__all__ = ("SecondLookAdmin", "StaffDeedAdmin", "StaffLimitAdmin")
