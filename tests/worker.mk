# The pure parts of the worker are objects of a program, in no archive: their tests take them by name.
$(B)/tests/unit/pace_test: $(B)/obj/handlers/worker/pace.o
$(B)/tests/unit/decide_test: $(B)/obj/handlers/worker/decide.o $(B)/obj/handlers/worker/pace.o
$(B)/obj/tests/unit/pace_test.o $(B)/obj/tests/unit/decide_test.o: CPPFLAGS += -Ihandlers/worker
