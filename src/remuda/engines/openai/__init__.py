"""Any server that speaks OpenAI's HTTP API, reached by its address."""
