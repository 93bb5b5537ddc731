#!/usr/bin/env bash
# A scan as a Slurm array: every job takes each 64th shard, all write into one store, none merges.
# A job that failed or was preempted is submitted again as it is: what is done is kept.
#   sbatch --export=INPUT=/data/laion,STORE=/scratch/laion-audit docs/jobs/slurm.sh
#SBATCH --job-name=madaudit
#SBATCH --array=0-63
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=INT@120
set -euo pipefail

# Two minutes before the time is up Slurm interrupts the step; a scan ends with 4 and goes on later.
srun madaudit scan "$INPUT" -o "$STORE" -q \
  --shard-index "$SLURM_ARRAY_TASK_ID" \
  --num-shards "$SLURM_ARRAY_TASK_COUNT" \
  --engine pool --workers "$SLURM_CPUS_PER_TASK"
