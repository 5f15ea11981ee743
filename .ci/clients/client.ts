// A client as openapi-typescript and openapi-fetch make it of openapi.yaml: node client.js URL KEY

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";

import type { components, paths } from "./generated/schema.js";

type Change = components["schemas"]["Change"];

const TAG = "typescript";
const [url = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { "X-API-Key": key } });

async function create(title: string, idempotencyKey: string) {
  const { data, error, response } = await client.POST("/api/v1/notes", {
    params: { header: { "Idempotency-Key": idempotencyKey } },
    body: { title, tags: [TAG], metadata: { client: TAG } },
  });
  assert(data, error?.detail);
  return { note: data, etag: response.headers.get("ETag") ?? "", response };
}

async function createsANoteAndSendsItAgain() {
  const idempotencyKey = randomUUID();
  const first = await create("Plan", idempotencyKey);
  const again = await create("Plan", idempotencyKey);

  assert.equal(again.note.id, first.note.id);
  assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");
  return first;
}

async function editsWithAPreconditionAndMeetsA412(id: string, etag: string) {
  const patch = (ifMatch: string, body: components["schemas"]["PatchedNoteRequest"]) =>
    client.PATCH("/api/v1/notes/{id}", { params: { path: { id }, header: { "If-Match": ifMatch } }, body });

  const edited = await patch(etag, { body: "First\n" });
  const renamed = await patch(edited.response.headers.get("ETag") ?? "", { title: "Plan B" });
  assert.equal(renamed.data?.title, "Plan B");
  assert.equal(renamed.data.body, "First\n");
  assert.deepEqual(renamed.data.metadata, { client: TAG });

  const late = await patch(etag, { title: "Late" });
  assert.equal(late.response.status, 412);
  assert.equal(late.error?.code, "precondition_failed");
  assert.equal(late.error.current?.title, "Plan B");
  assert.equal(late.response.headers.get("ETag"), renamed.response.headers.get("ETag"));
}

async function pagesThroughThem(count: number) {
  const seen = new Set<string | undefined>();
  for (let cursor: string | undefined, more = true; more; ) {
    const { data, error } = await client.GET("/api/v1/notes", {
      params: { query: { tag: [TAG], limit: 50, ...(cursor && { cursor }) } },
    });
    assert(data, error?.detail);
    data.results.forEach((note) => seen.add(note.id));
    more = data.next !== null;
    cursor = (data.next && new URL(data.next).searchParams.get("cursor")) ?? undefined;
  }
  assert.equal(seen.size, count);
}

async function keepsACopy() {
  const copy = new Map<string, Change>();
  let since = 0;
  let epoch: string | undefined;
  for (let more = true; more; ) {
    const { data, error } = await client.GET("/api/v1/changes", {
      params: { query: { since, ...(epoch && { epoch }) } },
    });
    assert(data, error?.detail);
    for (const change of data.results) {
      if (change.deleted) copy.delete(change.id);
      else copy.set(change.id, change);
    }
    ({ revision: since, epoch, has_more: more } = data);
  }
  return [...copy.values()].filter((note) => note.tags?.includes(TAG));
}

const { note, etag } = await createsANoteAndSendsItAgain();
await editsWithAPreconditionAndMeetsA412(note.id, etag);
for (let number = 1; number < 120; number++) await create(`Note ${number}`, randomUUID());
await pagesThroughThem(120);
assert.equal((await keepsACopy()).length, 120);

const trashed = await client.DELETE("/api/v1/notes/{id}", { params: { path: { id: note.id } } });
assert.equal(trashed.response.status, 204);
assert.equal((await keepsACopy()).length, 119);
