"""What Headwater ships for tests: suites that an engine, a provider and a target must pass, and fakes."""
