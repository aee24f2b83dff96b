"""What people may do."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["reader", "analyst", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
