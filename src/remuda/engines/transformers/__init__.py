"""Models in the format of Hugging Face's transformers, each served by a child that computes with torch.

`folder` tells what lies in a model's folder; `process` starts the child; `adapter` speaks to it. The others run inside
the child: `child` is its program, `server` its HTTP side, `asked` reads requests, `speaking` makes text of tokens, and
`model` alone knows torch and transformers. Neither need be installed for any of these modules to be imported: that is
what the extra `remuda[transformers]` is for.
"""
