import { expect, test } from "vitest";

import { Sha256 } from "./sha256";

function ours(bytes: Uint8Array, piece: number): string {
  const hash = new Sha256();
  for (let at = 0; at < bytes.length; at += piece) {
    hash.add(bytes.subarray(at, at + piece));
  }
  return hash.finish();
}

test("known answers", () => {
  expect(new Sha256().finish()).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const abc = new TextEncoder().encode("abc");
  expect(ours(abc, 3)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("every length around blocks, in pieces of any size, as the browser's own has it", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, n) => (n * 7) % 251);
  for (const length of [...Array(140).keys(), 511, 512, 513, 1000]) {
    const part = bytes.subarray(0, length);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", part));
    const theirs = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    for (const piece of [1, 7, 63, 64, 65, 1000]) {
      expect(ours(part, piece), `${length} bytes in pieces of ${piece}`).toBe(theirs);
    }
  }
});
