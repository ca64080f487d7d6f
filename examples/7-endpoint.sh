#!/bin/sh
# A teacher behind an OpenAI-compatible endpoint (llama-server, vLLM, limbeck serve, ...): scored on a
# task, asked for answers that are kept and never paid for twice, and compared with a local model.
# 7-endpoint.sh http://host:port/v1#model; LIMBECK_API_KEY holds the key if one is needed.
set -eu
cd "$(dirname "$0")/.."
limbeck=${LIMBECK:-build/release/limbeck}
endpoint=${1:?name the endpoint: http://host:port/v1#model}
[ -d examples/helpdesk/data ] || build/release/helpdesk_data examples/helpdesk/data
task=examples/helpdesk/data/tasks/routing
mkdir -p build/endpoint
"$limbeck" eval "$endpoint" --task "$task" --limit 20
"$limbeck" label --teacher "$endpoint" --task "$task" --limit 40 -o build/endpoint/answers.sqlite \
  --rows build/endpoint/train.jsonl
"$limbeck" compare "$endpoint" local=examples/helpdesk/teacher --task "$task" --limit 20 --threads 1 \
  --html build/endpoint/report.html
echo "Answers: build/endpoint/train.jsonl; report: build/endpoint/report.html"
