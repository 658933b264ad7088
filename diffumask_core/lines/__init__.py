"""The line model: which lines, rows and records of tools' results an agent needs later."""
