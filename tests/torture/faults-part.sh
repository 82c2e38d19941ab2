# shellcheck shell=bash
# Half-written messages, peers that stall, and too little of everything: tests/torture/faults.sh, several times over.

# shellcheck source=tests/torture/faults.sh
. "$top/tests/torture/faults.sh"

faults_part() {
  local fault rounds i good
  rounds=$(scaled 5)
  for fault in "${all_faults[@]}"; do
    good=0
    for ((i = 0; i < rounds; i++)); do
      if "$fault" >"$work/out" 2>&1; then
        good=$((good + 1))
      else
        grep -vE 'load_backend|ggml_vulkan' "$work/out" | tail -n 15 | sed 's/^/        | /'
      fi
    done
    figure_is "${fault//_/ }" "$rounds" "$good"
  done
}
