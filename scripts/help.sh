# shellcheck shell=bash
# What ./run --help and ./run help CMD print.

help_of() {
  case $1 in
    '') help_all ;;
    demo | bench | test | suites | fuzz | torture | vm | local | sandbox | shell | build | clean) "help_$1" ;;
    *) usage_error "no such command: $1" ;;
  esac
}

help_all() {
  cat <<'END'
usage: ./run COMMAND [OPTIONS] [-- CMD...]

  demo       generate text in a virtual machine on the host's backend, and compare
  bench      measure apir against native, ggml-rpc and a device without a transport
  test       build everything and run the tests
  suites     run the long suites of ggml and llama.cpp
  fuzz       run the fuzz targets
  torture    hostile guests, killed processes and long runs, with a table of figures

  vm         run a command in a virtual machine that has the apir device
  local      run a command on the apir backend without a virtual machine
  sandbox    run a command in the sandbox
  shell      a shell in the sandbox
  build      build
  clean      remove the sandbox, the builds and all else that ./run keeps

./run help COMMAND tells more of each.

The sandbox: apir needs ggml 0.27, llama.cpp and QEMU 11.1, which Debian has in its release "forky". On a
machine without them ./run makes a small forky system in a folder, once (1 minute, 2 GB), and works inside
it; your files are seen there where they are. This needs a Debian (12 or newer) on x86-64, and root.

Everything that ./run keeps is in ${XDG_CACHE_HOME:-~/.cache}/apir, or root's in /var/cache/apir; APIR_CACHE names another
folder.
APIR_SANDBOX=always or never: use the sandbox although the machine has all packages, or the machine
although it has not. APIR_NO_BUILD=1: take what is built as it is.
END
}

help_demo() {
  cat <<'END'
usage: ./run demo [OPTIONS]

Boots a virtual machine of Debian's own kernel and programs, runs Debian's llama-completion in it with all
layers on the remote device, and shows the text as it comes. Then the host generates the same text natively,
and the two are compared token by token. Exit code 0: the text is the same and the host has computed it.

  --host-library L   what computes: cpu (default), vulkan, another backend of ggml's, or the path of one
  --model FILE       a GGUF file; default: one of 70 million random parameters is made. It speaks in
                     invented words
  --prompt TEXT      what the text begins with
  --tokens N         how many tokens to generate (default 64)
  --threads N        threads of a CPU library, and of the native run (default: the number of cores)
  --memory SIZE      memory of the virtual machine (default 2G)
  --cpus N           its processors (default 2)
  --keep-log         keep the logs of QEMU, the guest's kernel and apird, and say where
END
}

help_vm() {
  cat <<'END'
usage: ./run vm [OPTIONS] -- CMD [ARGUMENT...]

Boots a virtual machine, runs CMD in it, and exits with CMD's exit code (128 + N if signal N ended it). Its
stdout and stderr come out on ours. CMD is any program of the sandbox or the build, and sees the files of the
host where they are; what it writes is in the VM's memory and gone with it, but for folders named by --share
and for /run/apir-vm. It runs in the current directory with our environment, with no standard input and no
terminal. The apir plug-in is among ggml's backends. Several commands: -- sh -c '...'.

  --host-library L   what computes: cpu (default), vulkan, rpc, or the path of a ggml backend
                     may be given again: the devices of all are there
  --threads N        threads of a CPU library (default: the number of cores)
  --door D           how apir comes into the VM. vhost-user (default): apird is a device of its own;
                     virglrenderer: QEMU's own virtio-gpu-gl, with our library in front of its virglrenderer
                     (VIRGL_ROUTE_VENUS_TO_APIR=1 in the environment: every Venus context is ours);
                     virtio-gpu-gl: that device without apir; none: no GPU at all
  --memory SIZE      memory of the virtual machine (default 2G)
  --cpus N           its processors (default 2)
  --user NAME        run CMD as this user, not as root (nobody, for one, may not use the GPU)
  --systemd          boot systemd, and run CMD as a service of it
  --share DIR        let the guest write to this folder of the host; may be given again
  --reboots N        run CMD N + 1 times, each in a new boot of the same virtual machine: APIR_BOOT is 0 to N.
                     What CMD leaves running is alive when the guest reboots. CMD may also reboot the guest
                     itself (busybox reboot -f). The exit code is the first that is not 0
  --timeout S        stop CMD after S seconds; the exit code is then 124
  --device PATH      with the door vhost-user: the device is that of an apird which listens there already
  --qmp PATH         put QEMU's control socket there
  --keep-log         keep the logs of QEMU, the guest's kernel and apird, and say where

An apird that ends before the machine is started again, and the device unplugged and plugged in again (apir replug):
programs in the guest that used it have failed by then, and the next ones work.

KVM is used where a boot with it succeeds, else the processor is emulated. A boot takes about 5 seconds
either way. A guest that does not start within 60 seconds (APIR_VM_BOOT_LIMIT gives it others) is booted once
more; if that fails too, the exit code is 75.
END
}

help_local() {
  cat <<'END'
usage: ./run local [OPTIONS] -- CMD [ARGUMENT...]

Starts apird on a private socket and runs CMD (any program that uses the sandbox's ggml) where ggml finds the
apir plug-in among its backends. Exits with CMD's exit code.

  --host-library L   what computes: cpu (default), vulkan, rpc, or the path of a ggml backend
                     may be given again: the devices of all are there
  --threads N        threads of a CPU library (default: the number of cores)
  --keep-log         show apird's log at the end

For example, ggml's own test of every operation, on the remote device:
  ./run local -- test-backend-ops test -b '[virtgpu] CPU' -o MUL_MAT
END
}

help_sandbox() {
  cat <<'END'
usage: ./run sandbox -- CMD [ARGUMENT...]

Runs CMD in the sandbox, in the current directory, with our environment, and exits with its exit code. The
PATH has apir's own programs, ggml's (test-backend-ops) and llama.cpp's test programs in front.
END
}

help_shell() {
  cat <<'END'
usage: ./run shell

A shell in the sandbox, in the current directory.
END
}

help_build() {
  cat <<'END'
usage: ./run build [--clang | --sanitize | --all]

Builds with CMake and Ninja, into a folder outside of the checkout, and says where. --clang builds with clang,
--sanitize with clang, AddressSanitizer, UndefinedBehaviorSanitizer and the fuzz targets, --all all three.
END
}

help_test() {
  cat <<'END'
usage: ./run test [PART...]

Builds with gcc, and with clang's sanitizers, and runs tests/run-tests.sh in the sandbox: all parts, or those
named (unit sanitize fuzz local counters devices upstream refusals confined faults vm doors deployed demo). Ends with the line
"N passed, N failed, N skipped".
END
}

help_bench() {
  cat <<'END'
usage: ./run bench [OPTIONS]

Measures, in rounds that go through all of them: the CPU natively, the same CPU as a device without any transport
(the floor of what a remote device can be), apir over its socket, ggml-rpc over loopback; and apir in a virtual
machine. Prints medians, quartiles and ratios. Takes 5 minutes; nothing else should run meanwhile.
docs/benchmarks.md says how to read it.

  --check            print the targets with what was measured; exit code 1 if one is missed
  --json FILE        write the results as JSON
  --svg FILE         draw overhead against graph size, and bandwidth against size
  --samples FILE     write each value
  --quick            seconds, few repetitions, no model: shows that it works, not how fast it is
  --rounds N         how many rounds (default 9; three times that with llama-bench)
  --only LIST        only these measures, separated by commas; --only help lists them
  --no-vm            leave the virtual machine out
  --model FILE       a GGUF file; default: one of 70 million random parameters is made
END
}

help_suites() {
  cat <<'END'
usage: ./run suites [PART...]

Builds, and runs tests/run-suites.sh in the sandbox: all of ggml's and llama.cpp's own suites through apir, and
long runs that watch memory: all parts, which takes hours, or those named (splits leaks soak vulkan archs service
ops threads valgrind; service is apird.service in a machine that runs systemd, the last two are apir's own unit tests
under ThreadSanitizer, which also has hostile clients, kills and a soak, and under valgrind).
END
}

help_fuzz() {
  cat <<'END'
usage: ./run fuzz SECONDS [OPTIONS] [TARGET...]

Builds with sanitizers, replays the corpus of every fuzz target (or of those named; fuzz/README.md says what each is
about), and runs each that long, two at a time. Ends with a table. Exit code 1 if anything was found: then it says
where the input lies, and how to run it again. SECONDS may be 0: the corpus alone.

  --minimize         afterwards take inputs that reach new code into the corpus in fuzz/corpus, made small again
  --coverage         afterwards build once more, replay the corpus, and report which lines of src/ it has reached
END
}

help_torture() {
  cat <<'END'
usage: ./run torture [--quick] [MINUTES] [PART...]

Builds, and runs tests/run-torture.sh in the sandbox: all parts, or those named. Ends with a table of what was wanted and
what was measured; exit code 1 if a figure is missed.

  hostile   a guest that does all the harm it can beside honest ones
  kills     kill -9 of workers, programs, daemons and machines at random moments; seed=N chooses the moments
  clients   24 programs at once against one
  faults    half-written messages, peers that stall, too little of everything
  soak      ten thousand sessions, a million calls: memory and descriptors, plotted

MINUTES scales how much each part does. The default, 30, reaches the numbers that the project promises, such as
ten minutes of the hostile guest; machines without KVM take longer for it. Figures of throughput mean something only
when nothing else runs. --quick does a little of each, to show that it works. Plots are left in the folder torture of the build.
END
}

help_clean() {
  cat <<'END'
usage: ./run clean

Removes all that ./run keeps (the sandbox, the builds, the model) and says what it removed.
END
}
