// SPDX-License-Identifier: Apache-2.0
//
// Starts the threads in the order in which they speak, and ends them so that nothing is sent to one that is gone.
#include "broker/pipeline.h"

#include "broker/greeting.h"
#include "broker/heads.h"
#include "broker/ingress.h"
#include "broker/mail.h"
#include "broker/prover.h"
#include "broker/redecide.h"
#include "broker/worker.h"
#include "broker/writer.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define INGRESS "inproc://ingress"
#define GREETER "inproc://greeter"
#define PROVER "inproc://prover"
#define WRITER "inproc://writer"
#define REDECIDE "inproc://redecide"

struct Pipeline {
    char worker_inbox[WORKERS_MAX][32];
    Work *works[WORKS_MAX];
    Work *redecide_work;
    zactor_t *greeter, *prover, *redecide, *ingress, *writer, *heads;
    zactor_t *workers[WORKERS_MAX];
    size_t n_workers;
    zsock_t *to_ingress, *to_redecide, *to_writer;
};

static int make_works(Pipeline *pipeline) {
    int result = work_new(&pipeline->redecide_work);
    for (size_t i = 0; result == 0 && i < WORKS_MAX; i++)
        result = work_new(&pipeline->works[i]);
    return result;
}

static PrepareOptions prepare_options(const PipelineOptions *options, const char *name) {
    return (PrepareOptions){.exchange = options->settings->exchange,
                            .population = options->settings->population.reader,
                            .name = name,
                            .rules = options->rules,
                            .clock = options->clock,
                            .stats = options->stats};
}

static int start_writer(Pipeline *pipeline, const PipelineOptions *options) {
    WriterOptions writer = {
        .transaction = {.exchange = options->settings->exchange,
                        .population_reader = options->settings->population.reader,
                        .population_writer = options->settings->population.writer,
                        .rules = options->rules,
                        .clock = options->clock,
                        .keys = options->keys,
                        .stats = options->stats},
        .inbox = WRITER,
        .ingress = INGRESS,
        .redecide = REDECIDE,
        .commits = options->commits,
    };
    return writer_new(&pipeline->writer, &writer);
}

static int start_workers(Pipeline *pipeline, const PipelineOptions *options) {
    WorkerOptions worker = {.prepare = prepare_options(options, "dongbo worker"), .writer = WRITER};
    for (; pipeline->n_workers < options->settings->workers; pipeline->n_workers++) {
        char *inbox = pipeline->worker_inbox[pipeline->n_workers];
        snprintf(inbox, sizeof pipeline->worker_inbox[0], "inproc://worker-%zu", pipeline->n_workers);
        worker.inbox = inbox;
        int result = worker_new(&pipeline->workers[pipeline->n_workers], &worker);
        if (result < 0)
            return result;
    }
    return 0;
}

static int start_beside(Pipeline *pipeline, const PipelineOptions *options) {
    RedecideOptions redecide = {.prepare = prepare_options(options, "dongbo redecide"),
                                .inbox = REDECIDE,
                                .writer = WRITER,
                                .not_found_after_days = options->settings->decide.not_found_after_days,
                                .work = pipeline->redecide_work};
    GreeterOptions greeter = {.exchange = options->settings->exchange,
                              .inbox = GREETER,
                              .ingress = INGRESS,
                              .writer = WRITER,
                              .keys = options->keys,
                              .clock = options->clock};
    HeadsOptions heads = {.exchange = options->settings->exchange,
                          .ingress = INGRESS,
                          .keys = options->keys,
                          .clock = options->clock,
                          .interval_ms = options->settings->head_interval_ms};
    ProverOptions prover = {
        .exchange = options->settings->exchange, .inbox = PROVER, .ingress = INGRESS, .keys = options->keys};
    int result = redecide_new(&pipeline->redecide, &redecide);
    if (result == 0)
        result = greeter_new(&pipeline->greeter, &greeter);
    if (result == 0)
        result = prover_new(&pipeline->prover, &prover);
    return result < 0 ? result : heads_new(&pipeline->heads, &heads);
}

static int start_ingress(Pipeline *pipeline, const PipelineOptions *options, int *ret_port) {
    IngressOptions ingress = {.endpoint = options->settings->publish,
                              .inbox = INGRESS,
                              .greeter = GREETER,
                              .prover = PROVER,
                              .n_workers = pipeline->n_workers,
                              .agencies = options->agencies,
                              .works = pipeline->works,
                              .keys = options->keys,
                              .next_keys = options->next_keys,
                              .clock = options->clock,
                              .stats = options->stats};
    for (size_t i = 0; i < pipeline->n_workers; i++)
        ingress.workers[i] = pipeline->worker_inbox[i];
    return ingress_new(&pipeline->ingress, &ingress, ret_port);
}

int pipeline_new(Pipeline **ret, const PipelineOptions *options, int *ret_port) {
    Pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the pipeline");
    int result = make_works(pipeline);
    if (result == 0)
        result = start_writer(pipeline, options);
    if (result == 0)
        result = start_workers(pipeline, options);
    if (result == 0)
        result = start_beside(pipeline, options);
    if (result == 0)
        result = start_ingress(pipeline, options, ret_port);
    if (result == 0)
        result = mail_connect(&pipeline->to_ingress, INGRESS);
    if (result == 0)
        result = mail_connect(&pipeline->to_redecide, REDECIDE);
    if (result == 0)
        result = mail_connect(&pipeline->to_writer, WRITER);
    if (result == 0)
        mail_send(pipeline->to_redecide, MAIL_AGENCIES, agencies_ref(options->agencies));
    if (result < 0) {
        pipeline_destroy(&pipeline);
        return result;
    }
    *ret = pipeline;
    return 0;
}

void pipeline_destroy(Pipeline **pointer) {
    Pipeline *pipeline = *pointer;
    if (pipeline == NULL)
        return;
    zactor_destroy(&pipeline->greeter);
    zactor_destroy(&pipeline->prover);
    zactor_destroy(&pipeline->redecide);
    for (size_t i = 0; i < pipeline->n_workers; i++)
        zactor_destroy(&pipeline->workers[i]);
    zactor_destroy(&pipeline->writer);
    zactor_destroy(&pipeline->heads); // signs what the writer left
    zactor_destroy(&pipeline->ingress);
    zsock_destroy(&pipeline->to_ingress);
    zsock_destroy(&pipeline->to_redecide);
    zsock_destroy(&pipeline->to_writer);
    for (size_t i = 0; i < WORKS_MAX; i++)
        work_destroy(&pipeline->works[i]);
    work_destroy(&pipeline->redecide_work);
    free(pipeline);
    *pointer = NULL;
}

void pipeline_take_agencies(Pipeline *pipeline, Agencies *agencies) {
    mail_send(pipeline->to_ingress, MAIL_AGENCIES, agencies_ref(agencies));
    mail_send(pipeline->to_redecide, MAIL_AGENCIES, agencies_ref(agencies));
}

void pipeline_review(Pipeline *pipeline) {
    mail_send(pipeline->to_redecide, MAIL_REVIEW, NULL);
}

void pipeline_log_policies(Pipeline *pipeline) {
    mail_send(pipeline->to_writer, MAIL_POLICY, NULL);
}
