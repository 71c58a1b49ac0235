"""What people see and press; no science in here."""
