#!/bin/sh
# Say of a SLURM job, for cluster-generic-status-cmd: running, success or failed.
# squeue knows it until MinJobAge after its end, then only the accounting does. A call that
# fails for another reason says nothing of the job, so it is asked again: "running". A job
# that neither knows is lost: "failed", and Snakemake repeats it.
state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1)
case $state in
    "" | *"Invalid job id"*)
        state=$(sacct --noheader -X --parsable2 --format=State --jobs="$1" 2>&1)
        case $state in
            "" | *"storage is disabled"*) state=FAILED ;;
        esac
        ;;
esac
case $state in
    COMPLETED*) echo success ;;
    BOOT_FAIL* | CANCELLED* | DEADLINE* | FAILED* | NODE_FAIL*) echo failed ;;
    OUT_OF_MEMORY* | PREEMPTED* | TIMEOUT*) echo failed ;;
    *) echo running ;;
esac
