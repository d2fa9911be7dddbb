"""Product tokens of crawlers that collect for the training of AI models, as their operators publish them.

A site that shuts one of these out of an address reserves it from training, whoever collects. A person may add tokens
(`--ai-token`) and can take none away. Names are lower case, as RFC 9309 compares them.
"""

from __future__ import annotations

AI_TOKENS = frozenset(
    (
        "ai2bot",
        "ai2bot-dolma",
        "amazonbot",
        "anthropic-ai",
        "applebot-extended",
        "bytespider",
        "ccbot",
        "claude-web",
        "claudebot",
        "cohere-ai",
        "cohere-training-data-crawler",
        "diffbot",
        "facebookbot",
        "google-cloudvertexbot",
        "google-extended",
        "gptbot",
        "imagesiftbot",
        "img2dataset",
        "laion-huggingface-processor",
        "laiondownloader",
        "meta-externalagent",
        "omgili",
        "omgilibot",
        "pangubot",
        "spawning-ai",
        "timpibot",
        "webzio-extended",
    )
)
