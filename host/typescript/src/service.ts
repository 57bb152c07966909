// Made by `npm run generate` from the OpenAPI document of the service.

export interface paths {
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process works: a supervisor restarts it if it does not answer. */
        get: operations["live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether requests are well served here: the database takes results, or the spool does. */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The same and more for Prometheus. */
        get: operations["prometheus_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/configurations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keep a version of an agent's configuration. */
        post: operations["create_configuration"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/extract": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The verdict on one result; nothing is recorded. */
        post: operations["extract"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/failures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The latest failures of all simulations, newest first. */
        get: operations["list_failures"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Record a file of any format: starts a simulation, records every result, and completes it.
         * @description The body is the file as it is: results in one of the built-in containers, or a log of another
         *     evaluation tool whose format the service knows (`arc-host formats list`), also compressed with gzip or
         *     zstd: `samples.jsonl.gz` is read as `samples.jsonl`. The answer reports the verdicts; results that are not
         *     valid are stored as rejected, with their reasons. The same file again is the same simulation, and stores
         *     nothing twice.
         */
        post: operations["record_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the service, its database and its spool are. A database that is unavailable is an answer, too. */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/resolve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find the simulation that a text refers to. */
        get: operations["resolve_simulation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List simulations, newest first. */
        get: operations["list_simulations"];
        put?: never;
        /**
         * Start a simulation.
         * @description The first writer of an id wins: the same start again returns the same answer, the same id with
         *     another plan is a `conflict`.
         */
        post: operations["start_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The status of a simulation. */
        get: operations["simulation_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/annotations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The annotations of a simulation's results: notes and corrections by people and rules. */
        get: operations["list_annotations"];
        put?: never;
        /**
         * Annotate results: notes, tags, invalidations, other scores and failure classes, and their undoing.
         * @description All are made, or none. Nothing is overwritten: of the annotations about the same, the newest that is
         *     not undone counts, in all later figures. An annotation with an id is made once, however often it is
         *     sent.
         */
        post: operations["annotate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Mark a simulation as stopped on purpose. */
        post: operations["cancel_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/compared-run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A run as comparisons take it: every planned trial with the attempt that counts, and the definition of the
         *     metric.
         */
        get: operations["compared_run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Complete a simulation, with the suite's own summary as the body, all of it optional.
         * @description Completing again returns the same answer. Results that come later are counted.
         */
        post: operations["complete_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A simulation's progress as it is committed, by any host: server-sent events.
         * @description An event `progress` has the simulation's status as its data; after the event `end` there is no
         *     other. A client that comes back gets the state as it is then. An event `problem` is the last
         *     one, too: the token was revoked.
         */
        get: operations["simulation_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/fail": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Mark a simulation as failed. */
        post: operations["fail_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Declare metrics of a simulation, without recording its results again.
         * @description Their members replace earlier ones, and the simulation's figures are computed anew.
         */
        post: operations["declare_metrics"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/missing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The trials of a simulation that have no valid outcome; recording them completes the run. */
        get: operations["list_missing"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/outcomes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A simulation's outcomes, in order of scenario, trial and attempt.
         * @description As `application/json` a page; as `application/x-ndjson` all of them, a line each.
         */
        get: operations["list_outcomes"];
        put?: never;
        /**
         * Record results: a verdict for each, in order, after the commit.
         * @description A body of `application/json` is one result, an array of them, or an object with `results` (and
         *     `modal_call_ids`, `sandbox_ids`, `trials` beside it). One of `application/x-ndjson` is a stream
         *     with a result a line, and so is its answer, with a verdict a line as they are committed. One of
         *     `application/octet-stream` is a single result that is never looked into for others. A retry is
         *     always safe: a result that is already stored is a `duplicate`.
         */
        post: operations["record_outcomes"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/performance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A simulation by the hour: outcomes, score, duration, cost, errors. */
        get: operations["simulation_performance"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/rejected": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of the rejected results of a simulation, with their reasons. */
        get: operations["list_rejected"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove a simulation permanently, with all its data.
         * @description Later calls for it are refused as `simulation_removed`. Safe to repeat: a request that took
         *     too long is continued by the next one. It needs a token with the scope `admin`.
         */
        post: operations["remove_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/rename": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Rename a simulation. */
        post: operations["rename_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/result-list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Compare a list of recorded results with those of their simulation.
         * @description A result that the tool's final list lacks is superseded: it stays recorded, and is in no figure. One
         *     that comes back in a later final list counts again. If the file was changed after a result was
         *     invalidated, and has an earlier revision of it, that one counts again.
         */
        post: operations["compare_results"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/revisions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The results of a simulation that have several revisions, and which of them counts. */
        get: operations["list_revisions"];
        put?: never;
        /**
         * Select the revision of a result that counts.
         * @description Every selection is kept, and the newest one is valid. The simulation's figures are computed anew.
         */
        post: operations["select_revision"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/simulations/{simulation_id}/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Add and remove tags of a simulation. */
        post: operations["tag_simulation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/spool/drop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove dead letters permanently.
         * @description Needs a token with the scope `admin`. Waiting entries are never dropped.
         */
        post: operations["drop_dead_letters"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/spool/entries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The spool's dead letters, oldest first, without their documents.
         * @description Needs a token with the scope `admin`.
         */
        get: operations["list_spool_entries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/spool/entries/{sequence}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * An entry of the spool with its document.
         * @description Needs a token with the scope `admin`.
         */
        get: operations["spool_entry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/spool/requeue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Put dead letters back at the end of the queue.
         * @description Needs a token with the scope `admin`. They get new numbers; an entry that is refused again is a dead
         *     letter again.
         */
        post: operations["requeue_dead_letters"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the service has done since it was started. */
        get: operations["stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The request that annotates results. */
        AnnotateRequest: {
            /** @description The annotations, from 1 to 10,000; all are made, or none. */
            annotations: components["schemas"]["NewAnnotation"][];
        };
        /** @description An annotation that was made. */
        Annotation: {
            /**
             * Format: date-time
             * @description When.
             */
            annotated_at: string;
            /**
             * Format: uuid
             * @description Its id; null for the mark with which the tool itself invalidated the result.
             */
            annotation_id?: string | null;
            /** @description The author: a person, `rule:NAME`, or the author in the tool's own mark. */
            author: string;
            /** @description Its kind. */
            kind: components["schemas"]["AnnotationKind"];
            /** @description The metric of the score. */
            metric?: string | null;
            /** @description The value after: the text of a note, a tag, a number or a class. */
            new_value?: unknown;
            /** @description The value before. */
            old_value?: unknown;
            /**
             * Format: uuid
             * @description The outcome for which it was made.
             */
            outcome_id: string;
            /** @description Why. */
            reason?: string | null;
            /** @description The tool's own id of the result; with it, the annotation belongs to all revisions. */
            result_key?: string | null;
            /** @description The scenario. */
            scenario_id: string;
            /** @description Whether it counts. */
            state: components["schemas"]["AnnotationState"];
            /**
             * Format: uuid
             * @description The annotation that is undone.
             */
            undoes?: string | null;
        };
        /**
         * @description The kind of an annotation.
         * @enum {string}
         */
        AnnotationKind: "note" | "tag" | "invalidate" | "restore" | "score" | "failure_class" | "undo";
        /** @description The annotations of a simulation's results. */
        AnnotationList: {
            /** @description The annotations, oldest first; at most 10,000. */
            annotations: components["schemas"]["Annotation"][];
        };
        /**
         * @description Whether an annotation counts: `valid`; `replaced` by a later one about the same; `undone`; or
         *     `superseded`, because it changed the score of a revision that does not count any more.
         * @enum {string}
         */
        AnnotationState: "valid" | "replaced" | "undone" | "superseded";
        /** @description The verdicts on the results of a request, in order, and the number of each kind. */
        BatchVerdicts: {
            /**
             * Format: int64
             * @description Committed before.
             */
            duplicate: number;
            /**
             * Format: int64
             * @description Not recorded.
             */
            failed: number;
            /**
             * Format: int64
             * @description Not valid.
             */
            rejected: number;
            /**
             * Format: int64
             * @description Kept in the spool.
             */
            spooled: number;
            /**
             * Format: int64
             * @description Committed now.
             */
            stored: number;
            /** @description One for each result. */
            verdicts: components["schemas"]["ResultVerdict"][];
        };
        /**
         * @description The result of comparing a figure.
         * @enum {string}
         */
        ComparisonResult: "equal" | "different" | "not_comparable";
        /** @description The response to a new configuration. */
        ConfigurationCreated: {
            /** @description The id of the version; the same content has the same id. */
            config_version_id: string;
            /** @description Whether it is kept in the spool until the database is back. */
            spooled?: boolean;
        };
        /** @description A version of an agent's configuration. */
        ConfigurationRequest: {
            /** @description The configuration: any JSON value; text that is not JSON, such as YAML, as a string. */
            config: unknown;
            /** @description A name for people. */
            name: string;
            /** @description The id of the user that it belongs to. */
            user_id?: string | null;
        };
        /** @description A selection of dead letters: some, or all. */
        DeadLetterSelection: {
            /** @description All dead letters. */
            all?: boolean;
            /** @description The dead letters with these numbers. */
            sequences?: number[];
        };
        /** @description The request that declares metrics of a simulation. */
        DeclareMetricsRequest: {
            /**
             * @description The definitions, whose members replace earlier ones. The metric with the empty name is the score
             *     of each result.
             */
            metrics: components["schemas"]["MetricDefinition"][];
        };
        /** @description The request that fails or cancels a simulation. */
        EndSimulationRequest: {
            /** @description The reason, stored with the simulation. */
            reason?: string;
        };
        /** @description An outcome that is not a success, of any simulation. */
        Failure: {
            error_category?: string | null;
            error_code?: string | null;
            error_message?: string | null;
            /** Format: date-time */
            execution_time: string;
            /** @description Whose failure it was. */
            failure_class?: string | null;
            /** @description The rule that decided. */
            failure_rule?: string | null;
            modal_call_id?: string | null;
            /** @description The model that the outcome names, else the only one of its simulation. */
            model?: string | null;
            /** Format: uuid */
            outcome_id: string;
            scenario_id: string;
            /** Format: uuid */
            simulation_id: string;
            simulation_name?: string | null;
            status: components["schemas"]["OutcomeStatus"];
        };
        /** @description The latest failures of all simulations, newest first. */
        FailureList: {
            /** @description The failures. */
            failures: components["schemas"]["Failure"][];
        };
        /** @description A figure of the tool, and the same of the recorded results. */
        FigureComparison: {
            /**
             * Format: double
             * @description The value of the recorded results; null if it cannot be computed from them.
             */
            computed?: number | null;
            /** @description The figure, such as `accuracy`, `results`, `tokens` or `cost_usd`. */
            figure: string;
            /** @description The metric; null for results, tokens and cost. */
            metric?: string | null;
            /**
             * Format: double
             * @description The tool's value; null if the tool could not compute it.
             */
            reported?: number | null;
            /** @description The result of the comparison. */
            result: components["schemas"]["ComparisonResult"];
        };
        /** @description The same as programs read it. */
        FileReport: {
            /** @description How many outcomes have each error category. */
            by_error_category?: {
                [key: string]: number;
            } | null;
            /** @description How many outcomes are failures of each class. */
            by_failure_class?: {
                [key: string]: number;
            } | null;
            /** @description How many outcomes have each status, all results of the simulation together. */
            by_status?: {
                [key: string]: number;
            } | null;
            /**
             * Format: int64
             * @description Those that have an outcome.
             */
            completed_scenarios?: number | null;
            /**
             * Format: int64
             * @description Results that were stored before.
             */
            duplicate: number;
            /**
             * Format: double
             * @description How long it took, in seconds.
             */
            elapsed_seconds: number;
            /**
             * Format: int64
             * @description Results that were not recorded.
             */
            failed: number;
            /** @description Why the first of these was not. */
            failure?: string | null;
            /** @description What to do about that, if `failure` does not show it. */
            failure_hint?: string | null;
            /** @description The file's name. */
            file: string;
            /** @description The format of its results; `null` for the built-in one. */
            format?: string | null;
            headline?: components["schemas"]["Headline"] | null;
            /** @description Whether it was stopped before the end of the file. */
            interrupted: boolean;
            /** @description What else of the file was not recorded as it is written there, or is worth knowing. */
            notes: string[];
            /**
             * Format: double
             * @description The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
             */
            overall_score?: number | null;
            reconciliation?: components["schemas"]["Reconciliation"] | null;
            /**
             * Format: int64
             * @description Results that are not valid.
             */
            rejected: number;
            /** @description The first results that are not valid. */
            rejected_results: components["schemas"]["RejectedItem"][];
            /**
             * Format: double
             * @description The highest value of the scores as the tool wrote them; `null` if their scale is unknown.
             */
            score_scale?: number | null;
            /**
             * Format: uuid
             * @description The simulation.
             */
            simulation_id: string;
            /** @description Its name. */
            simulation_name: string;
            /**
             * Format: int64
             * @description Results that a service keeps until its database is back.
             */
            spooled: number;
            status?: components["schemas"]["SimulationStatus"] | null;
            /** @description Why the simulation did not complete. */
            status_reason?: string | null;
            /**
             * Format: int64
             * @description Results that were stored now.
             */
            stored: number;
            /**
             * Format: int64
             * @description Results that the tool's final list lacks, and that do not count.
             */
            superseded_outcomes?: number | null;
            /** @description The first of them, at most 100. */
            superseded_results: components["schemas"]["SupersededResult"][];
            /**
             * Format: double
             * @description The cost in US dollars.
             */
            total_cost_usd?: number | null;
            /**
             * Format: int64
             * @description The planned trials of all scenarios, and unplanned ones.
             */
            total_scenarios?: number | null;
            /**
             * Format: int64
             * @description The tokens of everything that ran.
             */
            total_tokens?: number | null;
            /** @description How many accepted results have each warning. */
            warnings: {
                [key: string]: number;
            };
        };
        /** @description The score that counts, with its name and its origin. */
        Headline: {
            /**
             * Format: double
             * @description The mean over the scenarios of the mean of each scenario's values.
             */
            computed?: number | null;
            /** @description The tool's name of the figure, such as `accuracy`; `mean` for a computed one. */
            figure: string;
            /** @description Whether a higher value is better. */
            higher_is_better: boolean;
            /** @description Whether that is assumed, because nothing defines it. */
            higher_is_better_assumed: boolean;
            /** @description The metric. */
            metric: string;
            missing?: components["schemas"]["MissingPolicy"] | null;
            /**
             * Format: int64
             * @description How many of the latest outcomes have a value.
             */
            scored: number;
            /** @description Its origin. */
            source: components["schemas"]["ScoreSource"];
            /**
             * Format: double
             * @description The standard error that the tool reports with it.
             */
            standard_error?: number | null;
            /**
             * Format: int64
             * @description How many of them count, but have none.
             */
            unscored: number;
            /**
             * Format: double
             * @description Its value, as the tool writes it.
             */
            value?: number | null;
        };
        /** @description The database's state. An unreachable database is also an answer, not an error. */
        Health: {
            /**
             * Format: double
             * @description How far this host's clock is ahead of the database's in milliseconds; negative if it is
             *     behind, null if the database does not answer. Times of receipt are corrected by it.
             */
            clock_skew_ms?: number | null;
            /** @description Why the status is not `ok`. */
            error?: string | null;
            /** @description The installed extensions and their versions. */
            extensions: {
                [key: string]: string;
            };
            /** @description The tables that TimescaleDB partitions by time. */
            hypertables: string[];
            layout?: components["schemas"]["Layout"] | null;
            /** @description The tasks that TimescaleDB runs automatically on the tables, and whether it runs them. */
            policies?: components["schemas"]["Policy"][];
            /** @description The connection pool. */
            pool_stats: components["schemas"]["PoolStats"];
            /**
             * Format: double
             * @description The response time in milliseconds.
             */
            response_time_ms: number;
            /**
             * Format: int32
             * @description How many migrations were applied; null if there is no schema.
             */
            schema_version?: number | null;
            /** @description The server's version, such as `15.4`. */
            server_version?: string | null;
            /** @description `ok` or `error`; for a service also `degraded`. */
            status: string;
            /**
             * Format: date-time
             * @description When the health was checked.
             */
            timestamp: string;
        };
        /** @description One hour of a simulation, every attempt counted. */
        HourlyPerformance: {
            /**
             * Format: double
             * @description The mean of their durations in milliseconds.
             */
            avg_execution_time: number;
            /**
             * Format: double
             * @description The mean of their scores, from 0 to 1; null if no outcome has one.
             */
            avg_reliability?: number | null;
            /**
             * Format: int64
             * @description How many did not succeed.
             */
            error_count: number;
            /**
             * Format: date-time
             * @description The start of the hour.
             */
            hour: string;
            /**
             * Format: double
             * @description Their cost in US dollars.
             */
            total_cost: number;
            /**
             * Format: int64
             * @description The number of outcomes.
             */
            total_outcomes: number;
        };
        /** @description A mark that a result does not count. */
        Invalidation: {
            /** @description The time, RFC 3339 in UTC. */
            at: string | null;
            /** @description The person or program that invalidated it. */
            author: string | null;
            /** @description The reason. */
            reason: string | null;
        };
        /**
         * @description The layout of the tables.
         * @enum {string}
         */
        Layout: "plain" | "timescale" | "citus";
        /** @description The effects of a list of results. */
        ListedResults: {
            /**
             * Format: int64
             * @description How many superseded results count again, because the final list has them.
             */
            restored: number;
            /** @description The earlier revisions that count again, because the file is newer than the later ones. */
            selected: string[];
            /**
             * Format: int64
             * @description How many results are superseded, because the list is the final one and lacks them.
             */
            superseded: number;
        };
        /** @description The definition of a metric in a simulation. Absent members are unknown. */
        MetricDefinition: {
            /** @description Whether this metric is the simulation's score; false in a declaration withdraws that. */
            headline?: boolean | null;
            /** @description Whether a higher value is better; true if absent. */
            higher_is_better?: boolean | null;
            /**
             * Format: double
             * @description The highest possible value.
             */
            highest?: number | null;
            kind?: components["schemas"]["MetricKind"] | null;
            /**
             * Format: double
             * @description The lowest possible value.
             */
            lowest?: number | null;
            /** @description The name, as in the scores of results. */
            name: string;
            /**
             * Format: double
             * @description A result passes if its value reaches this one.
             */
            pass_threshold?: number | null;
            /** @description The unit, such as `seconds`. */
            unit?: string | null;
        };
        /**
         * @description The figures of one metric, over the latest attempt at each scenario and trial, as the tool
         *     wrote its values.
         */
        MetricFigures: {
            /**
             * Format: double
             * @description The highest value.
             */
            highest?: number | null;
            /**
             * Format: double
             * @description The lowest value.
             */
            lowest?: number | null;
            /**
             * Format: double
             * @description The mean of the values.
             */
            mean?: number | null;
            /**
             * Format: double
             * @description The mean with 0 for each result without a value.
             */
            mean_with_zero?: number | null;
            /** @description The name. */
            name: string;
            /**
             * Format: double
             * @description The mean over the scenarios of the mean over each scenario's trials that have a value.
             */
            scenario_mean?: number | null;
            /**
             * Format: double
             * @description The mean over the scenarios, with 0 for each result without a value.
             */
            scenario_mean_with_zero?: number | null;
            /**
             * Format: int64
             * @description How many results have a value.
             */
            scored: number;
            /**
             * Format: double
             * @description The sum of the values.
             */
            sum?: number | null;
            /**
             * Format: int64
             * @description How many results count, but have no value under this metric.
             */
            unscored: number;
        };
        /**
         * @description What the values of a metric are.
         * @enum {string}
         */
        MetricKind: "binary" | "fraction" | "number" | "label";
        /** @description The trials of a simulation that have no valid outcome. */
        MissingList: {
            /** @description The trials, in the order of the plan; at most 100,000. */
            missing: components["schemas"]["MissingTrial"][];
        };
        /**
         * @description How a figure counts a result that has no value.
         * @enum {string}
         */
        MissingPolicy: "exclude" | "zero";
        /**
         * @description Why a trial has no valid outcome.
         * @enum {string}
         */
        MissingReason: "never_recorded" | "infrastructure" | "invalidated" | "superseded";
        /** @description A planned or recorded trial that has no valid outcome. */
        MissingTrial: {
            /**
             * Format: uuid
             * @description The latest outcome, if there is one that does not count.
             */
            outcome_id?: string | null;
            /** @description Why. */
            reason: components["schemas"]["MissingReason"];
            /** @description The scenario. */
            scenario_id: string;
            /**
             * Format: int32
             * @description The trial, counted from 1.
             */
            trial: number;
        };
        /**
         * @description An annotation to be made. It names its result by `outcome_id`, by `result_key`, or by
         *     `scenario_id`, without `trial` for all its trials; an undo has `undoes` instead.
         */
        NewAnnotation: {
            /**
             * Format: uuid
             * @description Its id, so that a repeated request makes it once; the default is a new one.
             */
            annotation_id?: string | null;
            /** @description The author. A service with tokens puts the token's name before it. */
            author?: string | null;
            /** @description Its kind. */
            kind: components["schemas"]["AnnotationKind"];
            /** @description The metric of the score; the default is that of the result's own score. */
            metric?: string | null;
            /**
             * Format: uuid
             * @description The outcome.
             */
            outcome_id?: string | null;
            /** @description Why. */
            reason?: string | null;
            /** @description The tool's own id of the result. */
            result_key?: string | null;
            /** @description The scenario. */
            scenario_id?: string | null;
            /**
             * Format: int32
             * @description The trial of the scenario, counted from 1.
             */
            trial?: number | null;
            /**
             * Format: uuid
             * @description The annotation that is undone.
             */
            undoes?: string | null;
            /** @description The text of a note, a tag, the new value of a score (a number), or a failure class. */
            value?: unknown;
        };
        /** @description A number that JSON cannot represent: the document has `null` in its place. */
        NotFiniteBody: {
            /** @description `NaN`, `Infinity` or `-Infinity`. */
            number: string;
            /** @description The offset of that `null` in the document in bytes. */
            offset: number;
            /** @description The place of that `null` as a JSON Pointer. */
            path: string;
        };
        /** @description Who ran what. Absent members are unknown. */
        Origin: {
            /** @description The agent, or what else calls the models. */
            agent?: string | null;
            /** @description The agent's version. */
            agent_version?: string | null;
            /** @description The data set. */
            dataset?: string | null;
            /** @description The data set's version. */
            dataset_version?: string | null;
            /** @description The models under test. */
            models: string[];
            /** @description The provider of the models. */
            provider?: string | null;
            /** @description The task, benchmark or suite. */
            task?: string | null;
            /** @description The task's version. */
            task_version?: string | null;
            /** @description The tool that ran the evaluation. */
            tool?: string | null;
            /** @description The tool's version. */
            tool_version?: string | null;
        };
        /** @description An outcome as it is answered. */
        OutcomeBody: components["schemas"]["RecordedOutcome"] & {
            /** @description The document's own trajectory object, if requested and present. */
            trajectory?: unknown;
        };
        /** @description A page of outcomes, in order of scenario, trial and attempt. */
        OutcomeList: {
            /** @description The start of the next page; absent on the last. */
            cursor?: string | null;
            /** @description The outcomes. */
            outcomes: components["schemas"]["OutcomeBody"][];
        };
        /**
         * @description How the run of a scenario ended.
         * @enum {string}
         */
        OutcomeStatus: "success" | "error" | "timeout" | "cancelled";
        /** @description The performance of a simulation over time. */
        Performance: {
            /** @description The metric of most scores; null without scores. */
            headline?: string | null;
            /** @description The hours that have outcomes, in order: the last 20,000 of them. */
            hourly_metrics: components["schemas"]["HourlyPerformance"][];
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description The summary of all these hours. */
            summary: components["schemas"]["PerformanceSummary"];
            /**
             * Format: double
             * @description The number of requested hours.
             */
            time_range_hours: number;
        };
        /** @description The summary of several hours of a simulation. */
        PerformanceSummary: {
            /**
             * Format: double
             * @description The mean of their scores: of all outcomes, not of the hours.
             */
            avg_reliability?: number | null;
            /**
             * Format: double
             * @description Their cost in US dollars.
             */
            total_cost: number;
            /**
             * Format: int64
             * @description The number of outcomes.
             */
            total_outcomes: number;
        };
        /** @description A task that TimescaleDB runs automatically. */
        Policy: {
            /** @description Whether it runs: it is scheduled, its last run went well, and the next one is not overdue. */
            healthy: boolean;
            /**
             * Format: date-time
             * @description When it ran last.
             */
            last_run_at?: string | null;
            /** @description The result of the last run: `Success` or `Failed`. */
            last_run_status?: string | null;
            /** @description The task: `policy_compression` moves old chunks into the columnstore. */
            name: string;
            /**
             * Format: date-time
             * @description When the next run is scheduled.
             */
            next_run_at?: string | null;
            /** @description The table that the task works on. */
            table: string;
        };
        /** @description The connection pool. */
        PoolStats: {
            /** @description Open connections that are idle. */
            available: number;
            /** @description Open connections. */
            size: number;
            /** @description Calls that wait for a connection. */
            waiting: number;
        };
        /** @description An error as the body of an answer (RFC 9457). */
        Problem: {
            /** @description The first simulations that match an ambiguous name or beginning of an id, the newest first. */
            candidates?: components["schemas"]["SimulationCandidate"][];
            /** @description A stable code for programs. */
            code: components["schemas"]["ProblemCode"];
            /** @description What happened, and why. */
            detail: string;
            /** @description What to do about it, if `detail` does not show it. */
            hint?: string | null;
            /**
             * Format: int64
             * @description The limit that was reached, in the unit that `detail` names.
             */
            limit?: number | null;
            /**
             * Format: uuid
             * @description The id under which a result is kept as rejected.
             */
            outcome_id?: string | null;
            /** @description The id of the request in the service's log. */
            request_id?: string | null;
            /**
             * Format: int32
             * @description After how many seconds to retry, as in the header `Retry-After`.
             */
            retry_after_seconds?: number | null;
            /** @description Whether a retry of the same request can succeed. */
            retryable: boolean;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The summary of the kind of problem, the same for every problem with this code. */
            title: string;
            /** @description Always `about:blank`: the code names the problem. */
            type?: string;
            /** @description The violations of a document. */
            violations?: components["schemas"]["Violation"][];
        };
        /**
         * @description The kind of a problem, for programs to compare. It never changes its meaning.
         * @enum {string}
         */
        ProblemCode: "invalid_request" | "envelope_incomplete" | "rejected" | "not_found" | "method_not_allowed" | "conflict" | "ambiguous_simulation" | "simulation_removed" | "unsupported_media_type" | "not_acceptable" | "body_too_large" | "too_many_results" | "body_timeout" | "unauthorized" | "forbidden" | "host_not_allowed" | "origin_not_allowed" | "too_many_requests" | "idempotency_key_reused" | "idempotency_key_in_use" | "refused" | "unavailable" | "spool_full" | "spool_unavailable" | "disk_full" | "shutting_down" | "timeout" | "internal" | "other";
        /** @description How the recorded results compare with what the tool reports about the run. */
        Reconciliation: {
            /** @description Whether nothing differs. */
            agrees: boolean;
            /** @description Every figure that the tool reports, with that of the recorded results. */
            figures: components["schemas"]["FigureComparison"][];
        };
        /** @description A recorded outcome. */
        RecordedOutcome: {
            /** Format: double */
            all_roles_cost_usd: number;
            /** Format: int64 */
            all_roles_tokens: number;
            annotations?: unknown;
            /** Format: int64 */
            attempt: number;
            /** Format: double */
            computed_cost_usd?: number | null;
            /** Format: double */
            cost_usd: number;
            /** @description The document, byte for byte, if requested. */
            document?: string | null;
            error_category?: string | null;
            error_code?: string | null;
            error_message?: string | null;
            /** Format: date-time */
            execution_time: string;
            /** Format: double */
            execution_time_ms: number;
            extractor: string;
            failure_class?: string | null;
            failure_rule?: string | null;
            headline?: string | null;
            invalidation?: null | components["schemas"]["Invalidation"];
            metrics: unknown;
            modal_call_id?: string | null;
            model?: string | null;
            origin?: unknown;
            /** Format: uuid */
            outcome_id: string;
            place?: string | null;
            /** Format: date-time */
            received_at: string;
            /** Format: double */
            reliability_score?: number | null;
            result_key?: string | null;
            /** Format: date-time */
            revised_at?: string | null;
            sandbox_id?: string | null;
            scenario_id: string;
            scenario_name?: string | null;
            /** Format: double */
            score?: number | null;
            /** Format: double */
            score_highest?: number | null;
            /** Format: double */
            score_lowest?: number | null;
            scores: components["schemas"]["Score"][];
            /**
             * @description How the run of a scenario ended.
             * @enum {string}
             */
            status: "success" | "error" | "timeout" | "cancelled";
            /** Format: int64 */
            tokens_used: number;
            /** Format: int32 */
            trial: number;
            usage?: unknown;
            warnings?: unknown;
        };
        /** @description The answer to a body of JSON: the verdict on one result, or the verdicts on several. */
        RecordingVerdicts: components["schemas"]["ResultVerdict"] | components["schemas"]["BatchVerdicts"];
        /** @description A rejected result of a file. */
        RejectedItem: {
            /** @description The first violation's code. */
            code: string;
            /**
             * Format: int64
             * @description The line of the file on which it starts, counted from 1; null if the file has none.
             */
            line?: number | null;
            /** @description The first violation as a sentence. */
            message: string;
            /**
             * Format: uuid
             * @description The id under which it is kept.
             */
            outcome_id: string;
            /** @description The first violation's JSON Pointer. */
            path: string;
            /**
             * Format: int64
             * @description Its position in the file, counted from 0.
             */
            position: number;
            /** @description All of them. */
            violations: components["schemas"]["Violation"][];
        };
        /** @description A page of the rejected results of a simulation, in order of receipt. */
        RejectedList: {
            /** @description The start of the next page; absent on the last. */
            cursor?: string | null;
            /** @description The rejected results, without their documents. */
            rejected: components["schemas"]["RejectedResult"][];
        };
        /** @description A rejected result as it was stored. */
        RejectedResult: {
            /** Format: int64 */
            document_bytes: number;
            /**
             * Format: int64
             * @description The line of the file or stream on which it starts, counted from 1.
             */
            line?: number | null;
            /** Format: uuid */
            outcome_id: string;
            /**
             * Format: int64
             * @description Its position in the submitted data, counted from 0.
             */
            position?: number | null;
            /** Format: date-time */
            received_at: string;
            /** Format: int32 */
            trial?: number | null;
            violations: unknown;
        };
        /** @description A simulation that was removed. */
        RemovedSimulation: {
            /**
             * Format: int64
             * @description How many outcomes this removal has deleted.
             */
            deleted_outcomes: number;
            /**
             * Format: date-time
             * @description When it was first removed.
             */
            removed_at: string;
            /** @description The name of the service's token, or else the user of the database. */
            removed_by: string;
            /**
             * Format: uuid
             * @description Its id, under which nothing is recorded any more.
             */
            simulation_id: string;
            /** @description The name that it had. */
            simulation_name?: string | null;
        };
        /** @description The request that renames a simulation. */
        RenameSimulationRequest: {
            /** @description The new name. */
            simulation_name: string;
        };
        /** @description The simulation that a text refers to. */
        ResolvedSimulation: {
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
        };
        /** @description One result. Only an identification of the scenario is required; any other member is stored with it. */
        ResultDocument: {
            /** @description The error, if there was one. */
            error?: string | null;
            /**
             * @description An object with `overall_score`, `grade`, `dimension_scores` and `scale`, the highest value, or a
             *     number.
             */
            reliability_score?: unknown;
            scenario?: components["schemas"]["ScenarioDocument"] | null;
            trajectory?: components["schemas"]["TrajectoryDocument"] | null;
        } & {
            [key: string]: unknown;
        };
        /** @description The results of a run that a file, or another list of the tool, has. */
        ResultList: {
            /** @description Whether these are all results of the run, which has ended. */
            is_final?: boolean;
            /**
             * Format: date-time
             * @description When the tool made the list.
             */
            made_at?: string | null;
            /**
             * Format: date-time
             * @description When the file was last changed.
             */
            modified_at?: string | null;
            /** @description The ids of their outcomes. */
            outcome_ids: string[];
        };
        /** @description The body of a request that records: one result, an array of them, or an object with `results`. */
        ResultsDocument: components["schemas"]["ResultDocument"] | components["schemas"]["ResultsEnvelope"];
        /** @description Several results, with the members that belong to each of them. */
        ResultsEnvelope: components["schemas"]["ResultsMetadata"] & {
            /** @description The results. */
            results: components["schemas"]["ResultDocument"][];
        };
        /**
         * @description The members next to the results of a body `{"results": […]}`: each is an array in the results'
         *     order.
         */
        ResultsMetadata: {
            /**
             * @description The information that all results share, if their format has a header: any JSON, or a string
             *     with a header that is not JSON.
             */
            header?: unknown;
            /** @description The Modal function call of each run. */
            modal_call_ids?: (string | null)[] | null;
            /** @description The numbers of each result that JSON cannot represent. */
            not_finite?: components["schemas"]["NotFiniteBody"][][] | null;
            /** @description The sandbox of each run. */
            sandbox_ids?: (string | null)[] | null;
            /** @description Which trial of its scenario each is, from 1. Part of an outcome's identity. */
            trials?: (number | null)[] | null;
        };
        /** @description The verdict on one result. */
        ResultVerdict: {
            /** @description What to do about it, if `message` does not show it. */
            hint?: string | null;
            /** @description Why it failed. */
            message?: string | null;
            /**
             * Format: uuid
             * @description The id of the outcome, or of the rejected result.
             */
            outcome_id: string;
            /**
             * Format: int64
             * @description The position of the result in the request, counted from 0.
             */
            position: number;
            /** @description If the result failed: whether a retry can succeed. */
            retryable?: boolean | null;
            /**
             * @description If the result failed: whether the database was unavailable; if it was not, only this
             *     result is affected.
             */
            unavailable?: boolean | null;
            /** @description The kind of the verdict. */
            verdict: components["schemas"]["VerdictKind"];
            /** @description Why it was rejected. */
            violations?: components["schemas"]["Violation"][];
            /**
             * Format: int64
             * @description How many of its violations or warnings are left out of this answer to keep it short.
             */
            violations_omitted?: number;
            /** @description The assumptions and replacements in a result that was accepted. */
            warnings?: components["schemas"]["Violation"][];
        };
        /** @description How many results of a simulation have valid annotations. */
        ReviewFigures: {
            /**
             * Format: int64
             * @description Changed failure classes.
             */
            changed_classes: number;
            /**
             * Format: int64
             * @description Changed scores.
             */
            changed_scores: number;
            /**
             * Format: int64
             * @description Results that were invalidated.
             */
            invalidated: number;
            /**
             * Format: int64
             * @description Results with a note or a tag.
             */
            noted: number;
            /**
             * Format: int64
             * @description Results that count again, also if their tool has invalidated them.
             */
            restored: number;
            /**
             * Format: int64
             * @description Changed scores of revisions that do not count any more.
             */
            superseded_scores: number;
        };
        /** @description One revision of a result. */
        Revision: {
            /** @description Whether it is the one that counts. */
            counts: boolean;
            /** @description The metric of its own score. */
            headline?: string | null;
            /** @description Whether it is marked as a result that does not count. */
            invalidated: boolean;
            /**
             * Format: uuid
             * @description The outcome's id.
             */
            outcome_id: string;
            /** @description The result's place in the run. */
            place?: string | null;
            /**
             * Format: date-time
             * @description When it was received.
             */
            received_at: string;
            /** @description The tool's own id of the execution, which all revisions of the result share. */
            result_key: string;
            /**
             * Format: date-time
             * @description When it was made; null if the tool does not report it, and then the time of receipt counts.
             */
            revised_at?: string | null;
            /**
             * Format: int64
             * @description Counted from 1, in the order in which the revisions were made.
             */
            revision: number;
            /** @description The scenario's id. */
            scenario_id: string;
            /**
             * Format: double
             * @description The value of that score, as the tool wrote it.
             */
            score?: number | null;
            /** @description Whether it was selected as the one that counts. */
            selected: boolean;
            /** @description Whether the tool's final list lacks the result, so that no revision counts. */
            superseded: boolean;
        };
        /** @description The results of a simulation that have several revisions. */
        RevisionList: {
            /** @description The revisions, in order of scenario, key and revision; at most 10,000. */
            revisions: components["schemas"]["Revision"][];
        };
        /** @description The scenario that was run. */
        ScenarioDocument: {
            /** @description Its id, up to 512 bytes. */
            id?: string | null;
            /** @description A name for people. */
            name?: string | null;
            /** @description What the agent was asked to do. */
            task_prompt?: string | null;
        } & {
            [key: string]: unknown;
        };
        /** @description A score of a result, as the tool wrote it. Absent members are unknown. */
        Score: {
            /** @description The position of the scorer's text about this score in the document: offset and length in bytes. */
            explanation?: number[];
            /**
             * Format: double
             * @description The highest value that the result itself declares.
             */
            highest?: number;
            /** @description The value as the tool wrote it, if that is not a number, such as `C` or `pass`. */
            label?: string;
            /**
             * Format: double
             * @description The lowest value that the result itself declares.
             */
            lowest?: number;
            /** @description The name of the metric. */
            name: string;
            /**
             * Format: double
             * @description The number, if the result has one under this metric.
             */
            value?: number;
        };
        /**
         * @description The origin of a score.
         * @enum {string}
         */
        ScoreSource: "tool" | "suite" | "computed";
        /** @description The request that selects the revision of a result that counts. */
        SelectRevisionRequest: {
            /** @description The tool's own id of the execution; not needed if only one result has several revisions. */
            result_key?: string | null;
            /**
             * Format: int64
             * @description The number of the revision; null or absent: the one that was made last.
             */
            revision?: number | null;
        };
        /**
         * @description The health of the service, its database and its spool. The status is `degraded` if the database
         *     answers, but some results cannot reach it: `error` has the reason.
         */
        ServiceHealth: components["schemas"]["Health"] & {
            /** @description The service's version. */
            service_version: string;
            spool?: components["schemas"]["SpoolState"] | null;
        };
        /** @description A simulation that a name or the beginning of an id matches. */
        SimulationCandidate: {
            /**
             * Format: date-time
             * @description When it was recorded.
             */
            created_at: string;
            /**
             * Format: uuid
             * @description Its id.
             */
            simulation_id: string;
            /** @description A name for people. */
            simulation_name?: string | null;
        };
        /** @description The response to a completion. */
        SimulationCompleted: components["schemas"]["SimulationFigures"] & {
            /**
             * Format: date-time
             * @description When it was completed first.
             */
            completed_at: string;
            /** @description The same figures, computed from the recorded outcomes. */
            computed: components["schemas"]["SimulationFigures"];
            /**
             * Format: double
             * @description The highest value of the scores as the tool wrote them; null if their scale is unknown.
             */
            score_scale?: number | null;
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description `completed`. */
            status: components["schemas"]["SimulationStatus"];
            /**
             * @description Warnings about the suite's summary and the score: `headline_missing`, `scale_unknown`,
             *     `infrastructure_scored`, `nothing_ran`.
             */
            warnings: components["schemas"]["Violation"][];
        };
        /** @description The response to a simulation's end. */
        SimulationEnded: {
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description Whether the end is kept in the spool until the database is back. */
            spooled?: boolean;
            /** @description The simulation's final status. */
            status: components["schemas"]["SimulationStatus"];
        };
        /** @description The three figures of a simulation. */
        SimulationFigures: {
            /**
             * Format: double
             * @description Seconds from the simulation's start to its end.
             */
            execution_time_seconds: number;
            /**
             * Format: double
             * @description The mean of the latest scores, from 0 to 1 if their scale is known, otherwise as the tool wrote
             *     them; null if no outcome has one.
             */
            overall_score?: number | null;
            /**
             * Format: double
             * @description The cost of every attempt in US dollars.
             */
            total_cost_usd: number;
        };
        /** @description The labels of a simulation. */
        SimulationLabels: {
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description A name for people. */
            simulation_name?: string | null;
            /** @description Its tags, in order. */
            tags: string[];
        };
        /** @description A page of simulations, newest first. */
        SimulationList: {
            /** @description The start of the next page; absent on the last. */
            cursor?: string | null;
            /** @description The simulations. */
            simulations: components["schemas"]["SimulationSummary"][];
        };
        /** @description The progress of a simulation. */
        SimulationProgress: components["schemas"]["Origin"] & {
            /**
             * Format: double
             * @description The reported cost of all roles, in US dollars.
             */
            all_roles_cost_usd: number;
            /**
             * Format: int64
             * @description The same with the calls that score results or simulate a user.
             */
            all_roles_tokens: number;
            /** @description How many of them have each error category. */
            by_error_category: {
                [key: string]: number;
            };
            /** @description How many of them are failures of each class. */
            by_failure_class: {
                [key: string]: number;
            };
            /** @description How many of them have each status. */
            by_status: {
                [key: string]: number;
            };
            /**
             * Format: date-time
             * @description When it ended.
             */
            completed_at?: string | null;
            /**
             * Format: int64
             * @description How many of them have an outcome.
             */
            completed_scenarios: number;
            /**
             * Format: double
             * @description The agent's cost by the price table, in US dollars; null if it is unknown.
             */
            computed_cost_usd?: number | null;
            /** @description The version of the agent's configuration. */
            config_version_id: string;
            /**
             * Format: date-time
             * @description When it was recorded.
             */
            created_at: string;
            /**
             * Format: double
             * @description Milliseconds from its start to its end, or to now.
             */
            execution_time_ms: number;
            /**
             * Format: int64
             * @description How many of them have a latest outcome that is not a success.
             */
            failed_outcomes: number;
            headline?: components["schemas"]["Headline"] | null;
            /** @description The metrics of which nothing defines whether a higher value is better, which is assumed. */
            higher_is_better_assumed: string[];
            /**
             * Format: int64
             * @description How many of them have a failure of infrastructure as their latest outcome, which is not in the
             *     computed score.
             */
            infrastructure_outcomes: number;
            /**
             * Format: int64
             * @description How many of them have an invalidated result as their latest outcome.
             */
            invalidated_outcomes: number;
            /** @description The metadata of the simulation's start. */
            metadata?: unknown;
            /** @description The definitions of the metrics. */
            metric_definitions: components["schemas"]["MetricDefinition"][];
            /** @description The figures of each metric, as the tool wrote its values. */
            metrics: components["schemas"]["MetricFigures"][];
            /** @description The Modal app that runs the evaluation. */
            modal_app_id?: string | null;
            /**
             * Format: double
             * @description The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
             */
            overall_score?: number | null;
            /** @description The dates of the price tables. */
            prices_dated: string[];
            /**
             * Format: double
             * @description The percentage of completed scenarios, from 0 to 100.
             */
            progress_percentage: number;
            /** @description The project that it belongs to. */
            project: string;
            reconciliation?: components["schemas"]["Reconciliation"] | null;
            /**
             * Format: int64
             * @description Recorded outcomes, of every attempt.
             */
            recorded_outcomes: number;
            /**
             * Format: int64
             * @description How many results were rejected.
             */
            rejected_results: number;
            /** @description How many results have annotations. */
            review: components["schemas"]["ReviewFigures"];
            /**
             * Format: double
             * @description The highest value of the scores as the tool wrote them; null if their scale is unknown.
             */
            score_scale?: number | null;
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description A name for people. */
            simulation_name?: string | null;
            /**
             * Format: date-time
             * @description When the evaluation began.
             */
            started_at: string;
            /** @description Its status. */
            status: components["schemas"]["SimulationStatus"];
            /** @description Why it did not complete. */
            status_reason?: string | null;
            /**
             * Format: int64
             * @description How many of them have a success as their latest outcome.
             */
            successful_outcomes: number;
            /**
             * Format: int64
             * @description How many results the tool's final list lacks; they do not count.
             */
            superseded_outcomes: number;
            /** @description The first of them, at most 100. */
            superseded_results: components["schemas"]["SupersededResult"][];
            /** @description Its tags, in order. */
            tags: string[];
            /**
             * Format: double
             * @description The cost that counts, in US dollars, as the tool reports it.
             */
            total_cost_usd: number;
            /**
             * Format: int64
             * @description The planned trials of all scenarios, and recorded ones that were not planned.
             */
            total_scenarios: number;
            /**
             * Format: int64
             * @description The agent's tokens of everything that ran: of every attempt, also of superseded results.
             */
            total_tokens: number;
            /**
             * Format: int64
             * @description How many results that used tokens have no computed cost.
             */
            unpriced_outcomes: number;
            /** @description Tokens and cost of everything that ran, by role, model and try; at most 200. */
            usage: components["schemas"]["UsageFigures"][];
            /**
             * @description Warnings about the score: `headline_missing`, `scale_unknown`,
             *     `infrastructure_scored`, `nothing_ran`, `reviewed`.
             */
            warnings: components["schemas"]["Violation"][];
        };
        /** @description The response to a start. */
        SimulationStarted: {
            /** @description Whether the version of the configuration was created before. */
            configuration_exists: boolean;
            /**
             * Format: date-time
             * @description When it was first started.
             */
            created_at: string;
            /**
             * Format: int32
             * @description The number of planned scenarios.
             */
            scenario_count: number;
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description `running`, or the current status of a simulation that was started before. */
            status: components["schemas"]["SimulationStatus"];
            /**
             * @description Warnings: a scenario has another definition than in the plan of the existing simulation,
             *     which stays as it is (`definition_changed`).
             */
            warnings: components["schemas"]["Violation"][];
        };
        /**
         * @description The status of a simulation.
         * @enum {string}
         */
        SimulationStatus: "running" | "completed" | "failed" | "cancelled" | "incomplete";
        /** @description A simulation in a list. */
        SimulationSummary: components["schemas"]["Origin"] & {
            /**
             * Format: date-time
             * @description When it ended.
             */
            completed_at?: string | null;
            /**
             * Format: double
             * @description Its cost by the price table.
             */
            computed_cost_usd?: number | null;
            /** @description The version of the agent's configuration. */
            config_version_id: string;
            /**
             * Format: date-time
             * @description When it was recorded.
             */
            created_at: string;
            /**
             * Format: double
             * @description The score of a completed simulation: from 0 to 1 if its scale is known, otherwise as the tool
             *     wrote it.
             */
            overall_score?: number | null;
            /**
             * Format: int32
             * @description How many scenarios the plan has.
             */
            planned_scenarios: number;
            /** @description The project that it belongs to. */
            project: string;
            /** @description The name of its figure, such as `accuracy`; `mean` for a computed one. */
            score_figure?: string | null;
            /** @description The metric of that score. */
            score_metric?: string | null;
            /**
             * Format: double
             * @description The highest value of the scores as the tool wrote them; null if their scale is unknown.
             */
            score_scale?: number | null;
            /** @description The beginning of the id that no other simulation's id has, of at least 8 characters. */
            short_id: string;
            /**
             * Format: uuid
             * @description The simulation's id.
             */
            simulation_id: string;
            /** @description A name for people. */
            simulation_name?: string | null;
            /**
             * Format: date-time
             * @description When the evaluation began.
             */
            started_at: string;
            /** @description Its status. */
            status: components["schemas"]["SimulationStatus"];
            /** @description Its tags, in order. */
            tags: string[];
            /**
             * Format: double
             * @description The cost of a completed simulation in US dollars, as the tool reports it.
             */
            total_cost_usd?: number | null;
            /**
             * Format: int64
             * @description The agent's tokens of a completed simulation.
             */
            total_tokens?: number | null;
            /**
             * Format: int32
             * @description How many times each scenario is run.
             */
            trials: number;
        };
        /** @description The result of dropping dead letters. */
        SpoolDropped: {
            /**
             * Format: int64
             * @description How many were removed permanently.
             */
            entries: number;
        };
        /** @description An entry of the spool, without its document. */
        SpoolEntry: {
            /**
             * Format: int64
             * @description Its length in bytes.
             */
            bytes: number;
            /** @description The kind of its record. */
            kind: components["schemas"]["SpoolEntryKind"];
            /**
             * Format: uuid
             * @description The id of its result, if it is one.
             */
            outcome_id?: string | null;
            /** @description Why it is a dead letter. */
            reason?: string | null;
            /**
             * Format: date-time
             * @description Until when it is retried automatically, if it is.
             */
            retry_until?: string | null;
            /**
             * Format: int64
             * @description Its number: later entries have greater ones. A requeued entry gets a new one.
             */
            sequence: number;
            /**
             * Format: uuid
             * @description The simulation that it belongs to; none for a configuration.
             */
            simulation_id?: string | null;
            /**
             * Format: date-time
             * @description When it was spooled.
             */
            spooled_at: string;
            /** @description Whether it waits or was refused. */
            state: components["schemas"]["SpoolEntryState"];
        };
        /** @description An entry of the spool with its document. */
        SpoolEntryDocument: components["schemas"]["SpoolEntry"] & {
            /**
             * @description Its document: a result, a list of scenarios, a configuration, a suite's summary, or why a
             *     simulation ended. If the entry cannot be read, the readable part of it. Bytes that are not UTF-8
             *     text are replaced by U+FFFD.
             */
            document: string;
            /** @description Whether the document is exactly this text. */
            exact: boolean;
        };
        /**
         * @description The kind of an entry's record.
         * @enum {string}
         */
        SpoolEntryKind: "configuration" | "start" | "result" | "completion" | "end" | "unreadable" | "other";
        /** @description Entries of the spool, oldest first. */
        SpoolEntryList: {
            /**
             * Format: int64
             * @description The number after which the next page begins; absent on the last.
             */
            after?: number | null;
            /** @description The entries. */
            entries: components["schemas"]["SpoolEntry"][];
        };
        /**
         * @description Whether an entry waits or is a dead letter.
         * @enum {string}
         */
        SpoolEntryState: "waiting" | "dead_letter" | "other";
        /**
         * @description Why a spool cannot store entries.
         * @enum {string}
         */
        SpoolFailure: "disk_full" | "disk_error" | "damaged" | "closed";
        /** @description The result of requeueing dead letters. */
        SpoolRequeued: {
            /**
             * Format: int64
             * @description How many wait again.
             */
            entries: number;
            /**
             * Format: int64
             * @description How many cannot be read, and stay dead letters.
             */
            unreadable: number;
        };
        /** @description The state of the spool. */
        SpoolState: {
            /**
             * Format: int64
             * @description The disk space that the entries take in bytes, including dead letters and entries that
             *     are being written.
             */
            bytes: number;
            /**
             * Format: int64
             * @description The number of dead letters.
             */
            dead_letters: number;
            /**
             * Format: int64
             * @description The number of waiting entries.
             */
            depth: number;
            error?: components["schemas"]["SpoolFailure"] | null;
            /** @description Whether the limit is reached: entries were refused, and none was removed since. */
            full: boolean;
            /**
             * Format: int64
             * @description The limit of the disk space in bytes.
             */
            limit_bytes: number;
            /**
             * Format: date-time
             * @description When the entry at the head of the queue was spooled.
             */
            oldest_at?: string | null;
        };
        /** @description The response to a start. */
        StartedBody: components["schemas"]["SimulationStarted"] & {
            /** @description Whether the start is kept in the spool until the database is back. */
            spooled?: boolean;
        };
        /** @description The request that starts a simulation. */
        StartSimulationRequest: {
            /** @description The version of the agent's configuration. An unknown one is noted, not refused. */
            config_version_id?: string;
            /** @description Other information about the simulation: an object. */
            metadata?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description The definitions of metrics, which replace those of the tool; the metric with the empty name is
             *     the score of each result.
             */
            metrics?: components["schemas"]["MetricDefinition"][];
            /** @description The Modal app that runs the evaluation. */
            modal_app_id?: string | null;
            /** @description The Modal environment; `production` if absent. */
            modal_environment?: string | null;
            /** @description Who runs what, as far as it is known; it counts instead of what the tool or the results name. */
            origin?: components["schemas"]["Origin"];
            /**
             * @description Whether an existing simulation with another plan gets the scenarios that its plan lacks. If not,
             *     another plan is a conflict.
             */
            plan_may_grow?: boolean;
            /** @description The project that it belongs to; if absent, that of the token, or else `default`. */
            project?: string | null;
            /**
             * Format: int32
             * @description How many sandboxes run at once.
             */
            sandbox_instances?: number | null;
            /** @description The same for each scenario, in the order of `scenarios`, if they are not run equally often. */
            scenario_trials?: number[];
            /** @description The planned scenarios: an array of scenario objects. */
            scenarios: unknown[];
            /**
             * Format: double
             * @description The highest value of the results' own score, whose lowest is 0.
             */
            score_scale?: number | null;
            /**
             * Format: uuid
             * @description Created by the client, so that a start can be retried; if absent, created by the service.
             */
            simulation_id?: string | null;
            /** @description A name for people. */
            simulation_name?: string | null;
            /** @description Its tags, each of 1 to 100 bytes. Those that an existing simulation lacks are added. */
            tags?: string[];
            /**
             * Format: int32
             * @description How many times each scenario is run, from 1 to 10,000.
             */
            trials?: number | null;
        };
        /** @description The counters of a store since it was created. */
        Stats: {
            /**
             * Format: double
             * @description The mean time of a statement in milliseconds, to its first row or its end.
             */
            avg_query_time: number;
            /**
             * Format: int64
             * @description Statements that failed.
             */
            failed_queries: number;
            /**
             * Format: date-time
             * @description When the health was last checked.
             */
            last_health_check?: string | null;
            /** @description The connection pool. */
            pool_stats: components["schemas"]["PoolStats"];
            /**
             * Format: int64
             * @description How often results were sent again after a transient error.
             */
            retry_count: number;
            /**
             * Format: int64
             * @description Outcomes that were stored.
             */
            stored_outcomes: number;
            /**
             * Format: double
             * @description The percentage of statements that did not fail; 100 if there were no statements.
             */
            success_rate: number;
            /**
             * Format: int64
             * @description Statements that were sent to the database, including commits and retries.
             */
            total_queries: number;
            /**
             * Format: int64
             * @description Transactions that stored results.
             */
            transactions: number;
        };
        /** @description The suite's own summary. A missing figure is computed from the outcomes. */
        SuiteDocument: {
            /** @description The mean score of each dimension. */
            average_dimension_scores?: {
                [key: string]: number;
            } | null;
            /**
             * Format: double
             * @description The mean duration of a run in seconds.
             */
            average_execution_time?: number | null;
            /**
             * Format: double
             * @description The mean reliability score from 0 to 1.
             */
            average_reliability_score?: number | null;
            /**
             * Format: double
             * @description The suite's duration in seconds.
             */
            parallel_execution_time?: number | null;
            /**
             * Format: double
             * @description How many times faster the scenarios were run than one after the other.
             */
            speedup_factor?: number | null;
            /**
             * Format: int64
             * @description How many scenarios succeeded.
             */
            successful_runs?: number | null;
            /**
             * Format: double
             * @description The cost of the whole suite in US dollars.
             */
            total_cost_usd?: number | null;
            /**
             * Format: int64
             * @description All tokens used.
             */
            total_tokens_used?: number | null;
        } & {
            [key: string]: unknown;
        };
        /** @description A result that the tool's final list lacks. */
        SupersededResult: {
            /** @description The result's place in the run. */
            place?: string | null;
            /** @description The tool's own id of the execution. */
            result_key: string;
            /** @description The scenario's id. */
            scenario_id: string;
        };
        /** @description The request that changes the tags of a simulation. */
        TagSimulationRequest: {
            /** @description The tags that it gets, each of 1 to 100 bytes. */
            add?: string[];
            /** @description The tags that it loses. */
            remove?: string[];
        };
        /** @description The trajectory of a run. */
        TrajectoryDocument: {
            /**
             * Format: double
             * @description The duration of the run in seconds.
             */
            execution_time_seconds?: number | null;
            /** @description The steps, stored unchanged. */
            full_trajectory?: unknown[] | null;
            /** @description When the run began: RFC 3339. */
            start_time?: string | null;
            /** @description `success`, `error`, `timeout` or `cancelled`. */
            status?: string | null;
            /** @description `prompt_tokens`, `completion_tokens`, `total_tokens`, and `total_cost` in US dollars. */
            token_usage?: {
                [key: string]: number;
            } | null;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description The tokens and the cost of all calls of one role to one model. The five kinds have no token in
         *     common.
         */
        UsageFigures: {
            /**
             * Format: int64
             * @description Tokens of prompts that were read from a cache.
             */
            cache_read_tokens: number;
            /**
             * Format: int64
             * @description Tokens of prompts that were written to a cache.
             */
            cache_write_tokens: number;
            /**
             * Format: double
             * @description The cost in US dollars by the price table; null if a model or a price is unknown.
             */
            computed_cost_usd?: number | null;
            /**
             * Format: double
             * @description The cost in US dollars as the tool reports it; null if it reports none.
             */
            cost_usd?: number | null;
            /** @description Whether they belong to tries that the tool discarded. */
            discarded: boolean;
            /** @description The model. */
            model?: string | null;
            /**
             * Format: int64
             * @description Tokens of completions without reasoning.
             */
            output_tokens: number;
            /**
             * Format: int64
             * @description Tokens of reasoning.
             */
            reasoning_tokens: number;
            /** @description The role of the calls, such as `scorer` or `user_simulator`; null: the agent. */
            role?: string | null;
            /**
             * Format: int64
             * @description All tokens; more than the sum of the five kinds if a tool reports only a total.
             */
            total_tokens: number;
            /**
             * Format: int64
             * @description Tokens of prompts that were neither read from a cache nor written to one.
             */
            uncached_input_tokens: number;
        };
        /**
         * @description The kind of a verdict.
         * @enum {string}
         */
        VerdictKind: "stored" | "duplicate" | "spooled" | "rejected" | "failed";
        /** @description A violation of the rules by a result, or a warning about it. */
        Violation: {
            /** @description A stable code for programs. */
            code: string;
            /** @description A message for people. */
            message: string;
            /** @description A JSON Pointer (RFC 6901); empty for the whole document. */
            path: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It works */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Send requests here */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Send them elsewhere */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    prometheus_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenMetrics text */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    create_configuration: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConfigurationRequest"];
            };
        };
        responses: {
            /** @description The same content has the same id */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigurationCreated"];
                };
            };
            /** @description It is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConfigurationCreated"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    extract: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description One result */
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResultDocument"];
            };
        };
        responses: {
            /** @description `verdict` is `accepted`, with the extracted fields, or `rejected`, with the violations */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_failures: {
        parameters: {
            query?: {
                /** @description How many at most. Default: 50. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The failures */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FailureList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    record_file: {
        parameters: {
            query?: {
                /** @description The version of the agent's configuration. */
                config_version_id?: string;
                /** @description The file's name: a format can be recognised by it, and it becomes the simulation's name. */
                file_name?: string;
                /** @description The format of the results. Default: the one that recognises the file, else arc-guide. */
                format?: string;
                /**
                 * @description The definitions of metrics, which replace those of the tool: a JSON array of `MetricDefinition`.
                 *     The metric with the empty name is the score of each result.
                 */
                metrics?: string;
                /** @description The project that it belongs to; if absent, that of the token, or else `default`. */
                project?: string;
                /** @description The highest value of the results' own score, whose lowest is 0. */
                score_scale?: number;
                /**
                 * @description The simulation's id; one that exists takes the results. Default: the one that the file's bytes,
                 *     its name and the configuration make, so that the same file again stores nothing twice.
                 */
                simulation_id?: string;
                /** @description The simulation's name. Default: the file's, without its ending. */
                simulation_name?: string;
                /** @description Its tags: a JSON array of texts. */
                tags?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The file */
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description What became of the file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FileReport"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `status` is `ok` or `error` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServiceHealth"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resolve_simulation: {
        parameters: {
            query: {
                /** @description The simulation's id, a unique prefix of it of at least 4 hexadecimal digits, its name, or `latest`. */
                simulation: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its id */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResolvedSimulation"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_simulations: {
        parameters: {
            query?: {
                /** @description Only those whose agent contains this text, in any case, as `name`. */
                agent?: string;
                /** @description The cursor that the previous page returned. */
                cursor?: string;
                /** @description Only those whose data set contains this text, in any case, as `name`. */
                dataset?: string;
                /** @description How many at most. Default: 50. */
                limit?: number;
                /** @description Only those one of whose models contains this text, in any case, as `name`. */
                model?: string;
                /**
                 * @description Only those whose name contains this text, in any case; if it has `*` or `?`, those whose whole name
                 *     matches it.
                 */
                name?: string;
                /** @description Only those of this project. */
                project?: string;
                /** @description Only those whose provider contains this text, in any case, as `name`. */
                provider?: string;
                /**
                 * @description Only those whose evaluation began then or later: a date or a time (RFC 3339), or a duration before
                 *     now, such as 7d.
                 */
                since?: string;
                /** @description Only those with this status. */
                status?: components["schemas"]["SimulationStatus"];
                /** @description Only those with this tag. */
                tag?: string;
                /** @description Only those whose task contains this text, in any case, as `name`. */
                task?: string;
                /** @description Only those that this tool ran, in any case, as `name`. */
                tool?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    start_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StartSimulationRequest"];
            };
        };
        responses: {
            /** @description It is running, or already has a status */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StartedBody"];
                };
            };
            /** @description The start is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StartedBody"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    simulation_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Progress, score, cost */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationProgress"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_annotations: {
        parameters: {
            query?: {
                /** @description Only those of this outcome's result, in all its revisions. */
                outcome_id?: string;
            };
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Oldest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnnotationList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    annotate: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnnotateRequest"];
            };
        };
        responses: {
            /** @description The annotations that were made */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnnotationList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        /** @description Why */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EndSimulationRequest"] | null;
            };
        };
        responses: {
            /** @description It is cancelled */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationEnded"];
                };
            };
            /** @description The end is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationEnded"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    compared_run: {
        parameters: {
            query?: {
                /** @description The field of the scenarios' definitions by which they form clusters. */
                cluster?: string;
                /** @description The metric. Default: the simulation's score. */
                metric?: string;
            };
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    complete_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        /** @description The suite's summary, or nothing */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["SuiteDocument"] | null;
            };
        };
        responses: {
            /** @description It is completed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationCompleted"];
                };
            };
            /** @description The completion is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationEnded"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    simulation_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    fail_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        /** @description Why */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EndSimulationRequest"] | null;
            };
        };
        responses: {
            /** @description It has failed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationEnded"];
                };
            };
            /** @description The end is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationEnded"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    declare_metrics: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeclareMetricsRequest"];
            };
        };
        responses: {
            /** @description The progress with the new figures */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationProgress"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_missing: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description In the order of the plan */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MissingList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_outcomes: {
        parameters: {
            query?: {
                /** @description The cursor that the previous page returned. */
                cursor?: string;
                /** @description With the documents' texts. */
                documents?: boolean;
                /** @description The most rows; a stream of lines returns all of them. */
                limit?: number;
                /** @description Only those of this scenario. */
                scenario_id?: string;
                /** @description Only those with this status: success, error, timeout or cancelled. */
                status?: components["schemas"]["OutcomeStatus"];
                /** @description With the documents' own trajectory objects. */
                trajectories?: boolean;
            };
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, or all of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeList"];
                    "application/x-ndjson": components["schemas"]["OutcomeBody"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    record_outcomes: {
        parameters: {
            query?: {
                /** @description The format of the results, which the service must know. Default: arc-guide. */
                format?: string;
                /** @description The Modal function call of the run. */
                modal_call_id?: string;
                /** @description The sandbox of the run. */
                sandbox_id?: string;
                /** @description Which trial of its scenario each is, from 1. Part of an outcome's identity. */
                trial?: number;
            };
            header?: {
                /** @description A retry with the same key gets the first answer; for bodies of application/json */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id */
                simulation_id: string;
            };
            cookie?: never;
        };
        /** @description The results */
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResultsDocument"];
                "application/octet-stream": string;
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description The verdict on one result, the verdicts on many, or a line each */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordingVerdicts"];
                    "application/x-ndjson": components["schemas"]["ResultVerdict"];
                };
            };
            /** @description One result that is in the service's spool */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResultVerdict"];
                };
            };
            /** @description One result that is not valid; it is kept with the reasons */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    simulation_performance: {
        parameters: {
            query?: {
                /** @description A duration such as 90m, 24h, 7d or 2w. Default: 7d. */
                range?: string;
            };
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description By the hour, and in all */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Performance"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_rejected: {
        parameters: {
            query?: {
                /** @description The cursor that the previous page returned. */
                cursor?: string;
                /** @description How many at most. Default: 100. */
                limit?: number;
            };
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, in order of receipt */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RejectedList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    remove_simulation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is removed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RemovedSimulation"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rename_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RenameSimulationRequest"];
            };
        };
        responses: {
            /** @description The renamed simulation */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationLabels"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    compare_results: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResultList"];
            };
        };
        responses: {
            /** @description The changes */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ListedResults"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_revisions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description In order of scenario, key and revision */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevisionList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    select_revision: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SelectRevisionRequest"];
            };
        };
        responses: {
            /** @description All revisions of the result */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevisionList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    tag_simulation: {
        parameters: {
            query?: never;
            header?: {
                /** @description A retry with the same key gets the first answer */
                "Idempotency-Key"?: string | null;
            };
            path: {
                /** @description The simulation's id, a unique prefix of it, its name, or `latest` */
                simulation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TagSimulationRequest"];
            };
        };
        responses: {
            /** @description The simulation with its tags */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SimulationLabels"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    drop_dead_letters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeadLetterSelection"];
            };
        };
        responses: {
            /** @description How many were removed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpoolDropped"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_spool_entries: {
        parameters: {
            query?: {
                /** @description Only those with a greater number. */
                after?: number;
                /** @description How many at most. Default: 100. */
                limit?: number;
                /** @description Also those that wait; otherwise only dead letters. */
                waiting?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpoolEntryList"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    spool_entry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The entry's number */
                sequence: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The entry */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpoolEntryDocument"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    requeue_dead_letters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeadLetterSelection"];
            };
        };
        responses: {
            /** @description How many wait again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpoolRequeued"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stats: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Queries, failures, retries, times */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
            /** @description An error */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
