from remuda.dialects.ollama.own import NONE


def test_a_gateway_without_models_of_its_own_leaves_them_to_others():
    assert (NONE.expires_at("m"), NONE.keep("m", 5), NONE.unload("m")) == (None, None, None)
