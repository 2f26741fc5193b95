"""Ollama servers by address."""
