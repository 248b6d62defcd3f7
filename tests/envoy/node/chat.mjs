// The official Node SDK, told nothing but a base URL and a key. Prints one line of JSON for each step: {step, error?}.
// node chat.mjs BASE_URL KEY MODEL IMAGE_URL

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const [baseURL, apiKey, model, imageUrl] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const user = (content) => ({ role: 'user', content });
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
};
const City = z.object({ name: z.string(), inhabitants: z.number() });

const steps = {
  async plain() {
    const answer = await client.chat.completions.create({ model, messages: [user('hello')] });
    assert.equal(answer.choices[0].message.content, 'You said: hello');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.ok(answer.usage.total_tokens > 0);
  },

  async streamed() {
    const stream = await client.chat.completions.create({
      model, messages: [user('hello')], stream: true, stream_options: { include_usage: true },
    });
    let text = '';
    let last;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      last = chunk;
    }
    assert.equal(text, 'You said: hello');
    assert.ok(last.usage.total_tokens > 0);
  },

  async tools() {
    const runner = client.chat.completions.runTools({
      model, messages: [user('What is the weather in Oslo?')],
      tools: [{ ...weather, function: { ...weather.function, parse: JSON.parse, function: ({ city }) => `${city}: 21 degrees` } }],
    });
    assert.equal(await runner.finalContent(), 'The tools answered: city: 21 degrees');
  },

  async 'tools streamed'() {
    const messages = [user('What is the weather in Oslo?')];
    // `parsed` is the SDK's own addition, which OpenAI refuses.
    const { parsed, ...first } = await client.chat.completions.stream({ model, messages, tools: [weather] }).finalMessage();
    assert.deepEqual(JSON.parse(first.tool_calls[0].function.arguments), { city: 'city' });
    messages.push(first, { role: 'tool', tool_call_id: first.tool_calls[0].id, content: '21 degrees' });
    const second = await client.chat.completions.stream({ model, messages, tools: [weather] }).finalContent();
    assert.equal(second, 'The tools answered: 21 degrees');
  },

  async 'structured output'() {
    const response_format = zodResponseFormat(City, 'city');
    const answer = await client.chat.completions.parse({ model, messages: [user('A city.')], response_format });
    assert.equal(typeof answer.choices[0].message.parsed.inhabitants, 'number');
  },

  async image() {
    const content = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: imageUrl } }];
    const answer = await client.chat.completions.create({ model, messages: [user(content)] });
    assert.equal(answer.choices[0].message.content, 'You said: What is this?');
  },

  async error() {
    const request = client.chat.completions.create({ model: `no-${model}`, messages: [user('hello')] });
    await assert.rejects(request, (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  },

  async models() {
    const names = (await client.models.list()).data.map((each) => each.id);
    assert.ok(names.includes(model), `${names}`);
  },
};

for (const [step, run] of Object.entries(steps)) {
  const error = await run().then(() => undefined, (error) => String(error.stack ?? error));
  console.log(JSON.stringify({ step, error }));
}
