// What the stories call through `@fnproject/fdk`.
const net = require('net');
const fdk = require('@fnproject/fdk');

const HANG_UP_AFTER_MS = 50;

fdk.handle(function (input, ctx) {
  if (input === 'fail') {
    throw new Error('told to fail');
  }
  if (input === 'hang up') {
    hangUp();
  }
  const gateway = ctx.httpGateway;
  if (ctx.getHeader('Fn-Intent') === 'httprequest') {
    gateway.statusCode = 201;
    gateway.setResponseHeader('X-Colour', 'green');
  }
  if (input === 'who') {
    input = `${ctx.callID} ${gateway.method} ${gateway.requestURL}`;
  }
  ctx.responseContentType = 'text/plain';
  return input;
}, { inputMode: 'string' });

// Closes the kit's connections a moment from now, as a function may while it idles.
function hangUp () {
  const connections = process._getActiveHandles().filter(h => h instanceof net.Socket && h.server);
  for (const connection of connections) {
    setTimeout(() => connection.destroy(), HANG_UP_AFTER_MS);
  }
}
