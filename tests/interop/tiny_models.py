"""Tiny random checkpoints of every family, made by transformers, and a byte-level BPE tokenizer for them."""
import os
import pathlib

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TEXT = """The kettle sang on the stove while the rain drew lines down the window of the small kitchen.
"Will it stop before noon?" asked the child, who had counted 12 puddles and 3 umbrellas since breakfast.
Nobody answered; the baker across the street was lifting his shutters, and the bread smelled of home.
"""

SMALL = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128)
# name -> (model_type, configuration). Windows are long enough for the texts here wherever llama.cpp
# knows no window for the family, so that one answer is right for all. LongRoPE's original context is
# 256 since llama.cpp rounds contexts up to that, and picks the factors by the context.
FAMILIES = {
    "llama": ("llama", SMALL),
    "llama_biased_scaled": ("llama", SMALL | dict(
        tie_word_embeddings=True, attention_bias=True, mlp_bias=True, max_position_embeddings=16384,
        rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=8192))),
    "llama_linear": ("llama", SMALL | dict(
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0))),
    "llama_yarn": ("llama", SMALL | dict(
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=2.0,
                             original_max_position_embeddings=64))),
    "mistral": ("mistral", SMALL | dict(sliding_window=None, head_dim=32)),
    "qwen2": ("qwen2", SMALL),
    "qwen3": ("qwen3", SMALL | dict(head_dim=32, tie_word_embeddings=True)),
    "gemma2": ("gemma2", SMALL | dict(head_dim=32, sliding_window=16, query_pre_attn_scalar=32)),
    "gemma3": ("gemma3_text", SMALL | dict(head_dim=32, sliding_window=16, num_hidden_layers=7,
                                           query_pre_attn_scalar=32)),
    "phi": ("phi3", SMALL | dict(sliding_window=None, tie_word_embeddings=False)),
    # llama.cpp rounds its context up to 256 and takes the long factors beyond the original length.
    "phi_longrope": ("phi3", SMALL | dict(
        sliding_window=None, max_position_embeddings=512, original_max_position_embeddings=256,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, factor=2.0,
                             short_factor=[1.0 + 0.1 * i for i in range(8)],
                             long_factor=[1.0 + 0.5 * i for i in range(8)],
                             original_max_position_embeddings=256))),
    "gpt2": ("gpt2", dict(n_embd=64, n_layer=3, n_head=4, n_positions=128)),
    "gpt_neox": ("gpt_neox", dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3,
                                  num_attention_heads=4, max_position_embeddings=128,
                                  rotary_pct=0.25)),
    "gpt_neox_serial": ("gpt_neox", dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                         num_attention_heads=4, max_position_embeddings=128,
                                         rotary_pct=1.0, use_parallel_residual=False)),
}


def make_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([TEXT], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|endoftext|>",
                            eos_token="<|endoftext|>").save_pretrained(folder)
    return tokenizer


def make(name, folder, scale=0.1, **changes):
    """A model folder with weights far from their initial zeros and ones, so that each one counts."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    model_type, config = FAMILIES[name]
    tokenizer = make_tokenizer(folder)
    vocab = tokenizer.get_vocab_size() + 4  # padded, as real models are
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(
        model_type, vocab_size=vocab, bos_token_id=0, eos_token_id=0, pad_token_id=None,
        **(config | changes)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    model.eval().save_pretrained(folder)
    return model, tokenizer


def load(folder):
    import torch
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(pathlib.Path(folder), dtype=torch.float32).eval()
