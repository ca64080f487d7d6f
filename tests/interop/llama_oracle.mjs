// What llama.cpp (through node-llama-cpp's prebuilt library) says of a GGUF file: for each position of
// `tokens` the probability of the next one and the most probable id.
//   node llama_oracle.mjs FOLDER_WITH_NODE_MODULES < {"model": path, "tokens": [ids], "context": n}
import fs from "node:fs";
import {pathToFileURL} from "node:url";

const entry = `${process.argv[2]}/node_modules/node-llama-cpp/dist/index.js`;
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(entry));
const {model: modelPath, tokens, context: contextSize} = JSON.parse(fs.readFileSync(0, "utf8"));
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize});
const evaluated = await context.getSequence().controlledEvaluate(
    tokens.map((token) => [token, {generateNext: {probabilities: true}}]));
const out = evaluated.map(({next}, i) => {
  const [[top, high], [, second]] = next.probabilities.entries();
  return {top, gap: high - second, next: next.probabilities.get(tokens[i + 1]) ?? 0};
});
console.log(JSON.stringify(out));
process.exit(0);
