"""What the end-to-end tests share: the engine under test, real clients, raw HTTP, images, terminals."""
