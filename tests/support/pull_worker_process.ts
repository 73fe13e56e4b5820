// A worker over HTTP that takes one job, keeps it with beats for ever, and says what it has.
const [url = "", kind = "", ttlMs = ""] = Bun.argv.slice(2);

async function call(path: string, body?: unknown) {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return await response.json();
}

const { jobs } = await call("/api/take", {
  kinds: [kind],
  wait: 30,
  ttl_ms: Number(ttlMs),
  worker: { name: `process ${process.pid}` },
});
console.log(JSON.stringify(jobs[0]));
for (;;) {
  await Bun.sleep(Number(ttlMs) / 3);
  await call(`/api/leases/${jobs[0].lease_id}/beat`);
}

export {};
