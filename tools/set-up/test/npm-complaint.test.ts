import { expect, it } from "vitest";
import { npmComplaint } from "../src/npm-complaint.js";

/** As npm 11 writes it, where a name server or a proxy would have the same form. */
const REFUSED = `npm error code ECONNREFUSED
npm error syscall connect
npm error FetchError: request to http://127.0.0.1:9/zrender failed, reason: connect ECONNREFUSED 127.0.0.1:9
npm error     at ClientRequest.<anonymous> (/usr/lib/node_modules/npm/node_modules/minipass-fetch/lib/index.js:130:14)
npm error   code: 'ECONNREFUSED',
npm error }
npm error A complete log of this run can be found in: /home/somebody/.npm/_logs/debug-0.log
`;

it("given a registry that is not reached, then the address, the reason and the remedy are told, and no stack", () => {
  expect(npmComplaint(REFUSED))
    .toBe(`npm cannot get http://127.0.0.1:9/zrender: connect ECONNREFUSED 127.0.0.1:9
Check the network and the proxy, or choose another registry (npm config set registry <URL>). Then type the command again.`);
});

it("given a full disk, then npm's own lines and the remedy are told", () => {
  const output = "npm error code ENOSPC\nnpm error nospc ENOSPC: no space left on device, write\n";

  expect(npmComplaint(output)).toContain("The disk is full. Free some space");
});

it("given anything else, then npm's own lines are told, without those about itself", () => {
  const output =
    "npm warn old\nnpm error code EUSAGE\nnpm error\nnpm error the lock file is not in sync\nnpm error     at Arborist\n";

  expect(npmComplaint(output)).toBe("npm error code EUSAGE\nnpm error the lock file is not in sync");
});
