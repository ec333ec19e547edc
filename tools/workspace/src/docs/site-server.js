/** The documentation site over HTTP, for this machine only. */
import { createServer } from "node:http";
import { once } from "node:events";
import sirv from "sirv";

const LOOPBACK = "127.0.0.1";

/**
 * Serves a folder of HTML pages on the loopback interface.
 * @param {string} folder
 * @param {number} [port] 0, the default, takes a free one.
 * @returns {Promise<{ address: string, close(): Promise<void> }>}
 * @throws {Error} EADDRINUSE if somebody else listens there.
 */
export async function serveSite(folder, port = 0) {
  const files = sirv(folder, { dev: true });
  const server = createServer((request, response) =>
    files(request, response, () => response.writeHead(404).end("There is no such page.\n")),
  );
  server.listen(port, LOOPBACK);
  await once(server, "listening");
  const { port: taken } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    address: `http://${LOOPBACK}:${taken}/`,
    async close() {
      server.close();
      // A browser keeps its connections open.
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
