# shellcheck shell=bash
# Several devices of a host, through the plug-in over the socket: sourced by run-tests.sh.

# Two libraries with a device each that compute alike, to the bit: the CPU's, and a copy of its file. Prints a list.
two_libraries() {
  local file
  file=$("$build/bin/apird-worker" --probe --ggml-library cpu | sed -n '1s/.*(\(.*\))$/\1/p')
  cp -n "/usr/lib/$triplet/ggml/backends0/$file" "$work/libggml-second.so" || return 1
  echo "/usr/lib/$triplet/ggml/backends0/$file:$work/libggml-second.so"
}

# Greedy text of the small model, from a prompt of several small batches. The session file has the tokens.
text_on() { # DEVICES SESSION [SPLIT]
  local libraries
  libraries=$(two_libraries) || return 1
  rm -f "$2"
  "$run" local --threads 1 --host-library "${libraries%%:*}" --host-library "${libraries#*:}" -- \
    llama-completion --model "$(small_model)" --prompt "$(printf 'all work and no play %.0s' {1..20})" \
    --ctx-size 1024 --ubatch-size 32 --predict 48 --temp 0 --seed 1 --ignore-eos --no-conversation --no-repack \
    --fit off --threads 1 --gpu-layers 99 --split-mode "${3:-layer}" --device "$1" --prompt-cache "$2" --prompt-cache-all \
    --log-verbosity 4 --color off 2>"$work/llama.log" || { tail -n 20 "$work/llama.log"; return 1; }
  grep -E 'model buffer size|pipeline parallelism' "$work/llama.log"
}

two_devices_are_listed() {
  local libraries
  libraries=$(two_libraries) || return 1
  "$run" local --host-library "${libraries%%:*}" --host-library "${libraries#*:}" -- apir info 2>&1 | tee "$work/info"
  grep -q 'CPU #2' "$work/info"
}

two_devices_say_what_one_says() {
  local model
  model=$(small_model)
  text_on '[virtgpu] CPU' "$work/one.session" &&
    text_on '[virtgpu] CPU,[virtgpu] CPU #2' "$work/two.session" &&
    grep -q 'load_tensors: \[virtgpu\] CPU #2 model buffer' "$work/llama.log" &&
    apir-compare "$model" "$work/one.session" "$work/two.session"
}

# llama.cpp waits for all devices before it runs a graph again that it has built before, in the middle of a prompt too; when it
# builds each anew, one batch follows the other without a wait, and what a device reads too early shows in the text.
pipelined_devices_say_what_one_says() {
  local model
  model=$(small_model)
  for _ in 1 2 3; do
    LLAMA_GRAPH_REUSE_DISABLE=1 text_on '[virtgpu] CPU,[virtgpu] CPU #2' "$work/two.session" &&
      grep -q 'pipeline parallelism enabled' "$work/llama.log" &&
      apir-compare "$model" "$work/one.session" "$work/two.session" || return 1
  done
}

# Each device has a part of every tensor; what both have is added up, by copies that no event orders. A copy that comes too
# early gives another text each time. (One device alone adds in another order, and may say something else.)
devices_that_share_tensors_repeat_themselves() {
  local model
  model=$(small_model)
  text_on '[virtgpu] CPU,[virtgpu] CPU #2' "$work/first.session" tensor || return 1
  for _ in 1 2 3; do
    text_on '[virtgpu] CPU,[virtgpu] CPU #2' "$work/again.session" tensor &&
      apir-compare "$model" "$work/first.session" "$work/again.session" || return 1
  done
}

devices_part() {
  section "several devices of a host"
  check "devices of two libraries are listed" two_devices_are_listed
  check "two devices say what one says" two_devices_say_what_one_says
  check "two devices in a pipeline say what one says" pipelined_devices_say_what_one_says
  check "two devices that share tensors say the same each time" devices_that_share_tensors_repeat_themselves
  section_end
}
