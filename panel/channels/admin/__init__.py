"""Channels and deliveries in the admin. They are the owner's: who reads alerts learns costs and troubles."""

from panel.channels.admin.channels import ChannelAdmin
from panel.channels.admin.deliveries import DeliveryAdmin

__all__ = ("ChannelAdmin", "DeliveryAdmin")
