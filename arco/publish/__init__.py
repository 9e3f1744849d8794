"""How anything becomes visible: lease, fencing token, permit, publisher; and how it is found."""
