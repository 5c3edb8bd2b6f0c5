"""cmqueue inside a web framework: `django`, `flask`, `fastapi`. Each alone imports its own."""
