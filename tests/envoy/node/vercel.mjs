// Vercel's AI SDK, told nothing but a base URL, a key and that nothing is stored, lets a model use a tool until it is done. Prints one line of JSON.
// node vercel.mjs BASE_URL KEY MODEL chat|responses generateText|streamText QUESTION DEGREES

import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';

const [baseURL, apiKey, model, api, way, prompt, degrees] = process.argv.slice(2);
const weather = tool({
  description: 'The weather in a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `${JSON.parse(degrees)[city]} degrees in ${city}`,
});
const options = {
  model: createOpenAI({ baseURL, apiKey })[api](model),
  prompt,
  tools: { weather },
  stopWhen: isStepCount(5),
  maxRetries: 0,
  // Or it sends back what a model has said as references to what OpenAI would have stored.
  providerOptions: { openai: { store: false } },
  onError({ error }) {
    throw error;
  },
};

const result = await { generateText, streamText }[way](options);
const [text, finishReason, steps, usage] = await Promise.all([result.text, result.finishReason, result.steps, result.totalUsage]);
console.log(JSON.stringify({ text, finishReason, steps: steps.length, totalTokens: usage.totalTokens }));
