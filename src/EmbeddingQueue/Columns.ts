/** What is read of a job wherever one is read. A file of its own, because several files of statements need it. */

/** The columns of a `Job`, under its field names. */
export const jobColumns = `
  job_id AS "jobId", entity_type AS "entityType", entity_id AS "entityId", generation, status, outcome,
  successor, priority, scheduled_for AS "scheduledFor", max_retries AS "maxRetries",
  retry_count AS "retryCount", crash_count AS "crashCount", attempt_token AS "attemptToken",
  lease_until AS "leaseUntil", claimed_at AS "claimedAt", claimed_by AS "claimedBy",
  last_error AS "lastError", last_fault AS "lastFault", batch_id AS "batchId",
  created_at AS "createdAt", updated_at AS "updatedAt", completed_at AS "completedAt"`
