"""The endpoint: reads each call, lets the trouble that was asked for happen to it, has moto answer it, and writes it down."""
