#!/bin/bash
# A sweep as a SLURM job array: one shard per task, each with cores of its own, on as many nodes as are free.
#   sbatch --array=1-4 notebooks/sweeps/slurm.sh notebooks/sweeps/full.yml runs/full
#   study gather runs/full-* --out runs/full && study report runs/full     # when all are done
# Further words go to `study sweep`: --set budget_s=30, --after-cell 'rsync -a "$STUDY_RUN" HOST:'. A task that is ended
# or put back into the queue goes on where it was. With GPUs, add --gpus-per-task=1: SLURM sets CUDA_VISIBLE_DEVICES, and
# each task trains on a GPU of its own. Tasks on nodes that differ count as different machines and are never pooled.
#SBATCH --job-name=study
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --hint=nomultithread
#SBATCH --mem=16G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail
grid=$1 out=$2
shift 2
exec "${STUDY:-.venv/bin/study}" sweep "$grid" --out "$out-$SLURM_ARRAY_TASK_ID" --resume \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "$@"
