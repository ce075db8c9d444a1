"""What identifies a person, and how the warehouse is kept from knowing it."""
