"use strict";
// Sends, with CM's own client, what standard input asks for: a JSON list of
//   {url, token, to, from, text, reference?, channels?, conversation?, suggestions?, template?}
// and prints what the client made of each answer: {status, body}, or {error} where none came.

const sdk = require("@cmdotcom/text-sdk");

// The client's only way to another address is a property of the API object inside each of its messages.
class Client extends sdk.MessageApiClient {
  constructor(token, url) {
    super(token);
    this.url = url;
  }

  createMessage() {
    const message = super.createMessage();
    message.api.basePath = this.url;
    return message;
  }
}

async function send(order) {
  const message = new Client(order.token, order.url)
    .createMessage()
    .setMessage(order.to, order.from, order.text, order.reference);
  if (order.channels) message.setAllowedChannels(order.channels);
  if (order.conversation) message.setConversation(order.conversation);
  if (order.suggestions) message.setSuggestion(order.suggestions);
  if (order.template) message.setTemplate(order.template);
  try {
    const answer = await message.send();
    return { status: answer.status, body: answer.data };
  } catch (error) {
    // axios rejects what is not 2xx, and keeps the answer.
    if (!error.response) return { error: String(error) };
    return { status: error.response.status, body: error.response.data, rejected: true };
  }
}

async function main() {
  let asked = "";
  for await (const part of process.stdin) asked += part;
  const told = [];
  for (const order of JSON.parse(asked)) told.push(await send(order));
  process.stdout.write(JSON.stringify(told));
}

main();
