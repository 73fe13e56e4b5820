import type { components } from "jobsvc-api";
import { typedClient } from "./journey.ts";

// Never run: what a compiler that has read the document does not let pass. Each line without an error is one.

const client = typedClient("http://localhost", "key");
const id = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";

// @ts-expect-error no such address
client.GET("/api/job");
// @ts-expect-error no such method
client.PUT("/api/jobs/{id}", { params: { path: { id } } });
// @ts-expect-error no id
client.GET("/api/jobs/{id}");
// @ts-expect-error no such filter
client.GET("/api/jobs", { params: { query: { colour: "red" } } });
// @ts-expect-error no such state
client.GET("/api/jobs", { params: { query: { state: "sleeping" } } });
// @ts-expect-error fields are missing
client.POST("/api/jobs/create", { body: { payload: {} } });
// @ts-expect-error a field that does not exist
export const change: components["schemas"]["JobChange"] = { colour: "red" };
// @ts-expect-error a text for a number
client.PATCH("/api/jobs/{id}", { params: { path: { id } }, body: { priority: "1" } });

// @ts-expect-error a number for an address
export const letter: components["schemas"]["Payload.letter"] = { to: [7] };

declare const job: components["schemas"]["Job"];
// @ts-expect-error no such member
job.colour;
// @ts-expect-error null while it has not ended
job.finished_at.length;
