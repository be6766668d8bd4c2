// web-push-testing behind TLS: a push service that nobody here wrote.
//
// usage: node service.js KEY.pem CERT.pem
// Prints "plain PORT" (for subscribing and looking), "http1 PORT" and "http2 PORT" (TLS, for pushes; the second speaks HTTP/2 only, by
// Node's nghttp2). All are on loopback.
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const { PushApiModel } = require('web-push-testing/src/PushApiModel');
const WebPushTestingServer = require('web-push-testing/src/server');

const tls = { key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[3]) };
const service = new WebPushTestingServer(new PushApiModel(), 1);
service.setRequestHandlers();

function listen(name, server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      console.log(`${name} ${server.address().port}`);
      resolve(server.address().port);
    });
  });
}

// Express speaks HTTP/1.1 only: what comes by HTTP/2 is handed on.
function handOn(port) {
  return (request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':')));
    const inner = http.request({ port, host: '127.0.0.1', method: request.method, path: request.url, headers }, (answer) => {
      response.writeHead(answer.statusCode, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
      answer.pipe(response);
    });
    inner.on('error', () => response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    request.pipe(inner);
  };
}

(async () => {
  const plain = await listen('plain', http.createServer(service._app));
  await listen('http1', https.createServer(tls, service._app));
  await listen('http2', http2.createSecureServer({ ...tls, settings: { maxConcurrentStreams: 7 } }, handOn(plain)));
})();
