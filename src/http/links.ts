interface Link {
  description: string;
  operationId: string;
  /** Where the answer has the id that the operation takes. */
  idAt: string;
}

const job = (operationId: string, description: string): Link => ({
  operationId,
  description,
  idAt: "job_id",
});

/** What can be done with that which an operation made, by the name of the schema of its answer. */
const LINKS: Readonly<Record<string, readonly Link[]>> = {
  CreatedJob: [
    job("getJob", "Read the job."),
    job("watchJob", "Watch it run."),
    job("whyIsJobWaiting", "Ask why it does not run."),
    job("changeJob", "Change it while it waits."),
    job("cancelJob", "Cancel it."),
    job("retryJob", "Run it again once it has ended."),
    job("deleteJob", "Delete it once it has ended."),
  ],
  CreatedApiKey: [{ operationId: "revokeKey", description: "Revoke the key.", idAt: "id" }],
};

/** For the components of the document. */
export function linkComponents() {
  return Object.fromEntries(
    Object.values(LINKS)
      .flat()
      .map(({ operationId, description, idAt }) => [
        operationId,
        { operationId, description, parameters: { id: `$response.body#/${idAt}` } },
      ]),
  );
}

/** For the answer that says that something was made: references to those. */
export function linksOf(schema: string, status: number) {
  const made = status === 201 && schema === "Job" ? "CreatedJob" : schema;
  const links = LINKS[made]?.map(({ operationId }) => [
    operationId,
    { $ref: `#/components/links/${operationId}` },
  ]);
  return links && { links: Object.fromEntries(links) };
}
