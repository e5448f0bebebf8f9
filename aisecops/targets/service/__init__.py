"""The language model and the assistants as an HTTP service in OpenAI's format: ``aisecops serve assistant``.

Whatever speaks chat completions or embeddings attacks and uses it unmodified: the ``openai`` client, garak,
PyRIT, LangChain. :mod:`wire` is the format, :mod:`voice` what stands behind a model's name, :mod:`chat` lies
between the two; :mod:`app` holds the routes, :mod:`server` the process.
"""
