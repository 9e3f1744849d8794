"""What takes away: floors are raised first, then what lies below them is deleted."""
