/**
 * The parts of a shell that are opened for a look: database and queue, and no more. They are apart from the others because
 * whoever asks how the queue stands must not wait for search, folders and models to be imported.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { StorageError } from "../Domain/Errors.js"
import * as EmbeddingQueue from "../EmbeddingQueue.js"
import * as EntityRepository from "../EntityRepository.js"
import * as InterfaceBoard from "../InterfaceBoard.js"
import type { Storage } from "../Storage.js"
import * as Sqlite from "../Storage/Sqlite.js"
import type * as Config from "./Config.js"

/** The database of the settings. Serves its `SqlClient` too: share it, two on one file wait for each other. */
export const storage = (
  settings: Pick<Config.Settings, "database" | "busyBudget">,
): Layer.Layer<Storage | SqlClient.SqlClient, StorageError> =>
  Sqlite.layer({ filename: settings.database, busyBudget: settings.busyBudget })

/** The queue alone: enough to see how it stands. */
export const queue = (
  settings: Pick<Config.Settings, "leaseDuration" | "maxWaiting">,
): Layer.Layer<
  EmbeddingQueue.EmbeddingQueue | EntityRepository.EntityRepository | InterfaceBoard.InterfaceBoard,
  never,
  Storage
> =>
  Layer.mergeAll(
    EmbeddingQueue.layerWith({
      leaseMillis: Duration.toMillis(settings.leaseDuration),
      maxWaiting: settings.maxWaiting,
    }),
    EntityRepository.layer,
    InterfaceBoard.layer,
  )
