// The official Node SDK's other APIs, told nothing but a base URL and a key. Prints one line of JSON for each step: {step, error?}.
// node apis.mjs BASE_URL KEY MODEL EMBEDDING_MODEL

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const [baseURL, apiKey, model, embeddingModel] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const weather = {
  type: 'function',
  name: 'weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  strict: false,
};
const City = z.object({ name: z.string(), inhabitants: z.number() });

const steps = {
  async response() {
    const answer = await client.responses.create({ model, input: 'hello' });
    assert.equal(answer.output_text, 'You said: hello');
    assert.equal(answer.status, 'completed');
    assert.ok(answer.usage.total_tokens > 0);
  },

  async 'response streamed'() {
    const types = [];
    let text = '';
    for await (const event of await client.responses.create({ model, input: 'hello', stream: true })) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, 'You said: hello');
    assert.equal(types[0], 'response.created');
    assert.equal(types.at(-1), 'response.completed');
  },

  async 'stream helper with a tool'() {
    const input = [{ role: 'user', content: 'What is the weather in Oslo?' }];
    const first = await client.responses.stream({ model, input, tools: [weather], store: false }).finalResponse();
    const call = first.output.find((item) => item.type === 'function_call');
    assert.deepEqual(JSON.parse(call.arguments), { city: 'city' });
    // `parsed_arguments` is the SDK's own addition.
    input.push(...first.output.map(({ parsed_arguments, ...item }) => item));
    input.push({ type: 'function_call_output', call_id: call.call_id, output: '21 degrees' });
    const second = await client.responses.stream({ model, input, tools: [weather], store: false }).finalResponse();
    assert.equal(second.output_text, 'The tools answered: 21 degrees');
  },

  async 'response parsed'() {
    const answer = await client.responses.parse({ model, input: 'A city.', text: { format: zodTextFormat(City, 'city') } });
    assert.equal(typeof answer.output_parsed.inhabitants, 'number');
  },

  async 'response refused'() {
    const request = client.responses.create({ model: `no-${model}`, input: 'hello' });
    await assert.rejects(request, (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  },

  async completion() {
    const answer = await client.completions.create({ model, prompt: 'hello', max_tokens: 50 });
    assert.equal(answer.choices[0].text, 'You said: hello');
    let text = '';
    let reason;
    for await (const piece of await client.completions.create({ model, prompt: 'hello', max_tokens: 50, stream: true })) {
      text += piece.choices[0].text;
      reason = piece.choices[0].finish_reason;
    }
    assert.equal(text, 'You said: hello');
    assert.equal(reason, 'stop');
  },

  async embeddings() {
    const create = (more) => client.embeddings.create({ model: embeddingModel, input: ['hello', 'wörld 🌍'], ...more });
    const [decoded, plain] = await Promise.all([create(), create({ encoding_format: 'float' })]);
    assert.deepEqual(plain.data.map((each) => each.index), [0, 1]);
    // The SDK asks for base64 by itself, and decodes it.
    const rounded = plain.data.map((each) => [...new Float32Array(each.embedding)]);
    assert.deepEqual(decoded.data.map((each) => [...each.embedding]), rounded);
    assert.ok(plain.usage.total_tokens > 0);
  },
};

for (const [step, run] of Object.entries(steps)) {
  const error = await run().then(() => undefined, (error) => String(error.stack ?? error));
  console.log(JSON.stringify({ step, error }));
}
